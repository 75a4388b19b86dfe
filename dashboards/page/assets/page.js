// The page is complete without this script; it adds charts, tooltips, ages, a theme switch and updates.
"use strict";
(() => {
  const root = document.documentElement;
  const store = {
    get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("theme", value); } catch { /* a page without storage forgets */ } },
  };
  if (store.get()) root.dataset.theme = store.get();

  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const plots = new Map();

  // ---- time series -----------------------------------------------------------------------------------------------
  const PALETTE = ["--window", "--f-warn", "--f-ok", "--f-drift", "--muted"];
  const DASHES = [undefined, [6, 3], [2, 3], [8, 3, 2, 3], [1, 4]];
  const short = (value) => value === null || value === undefined ? "–" : Number(value.toPrecision(3)).toString();
  const percent = (value) => value === null || value === undefined ? "–" : `${Number((value * 100).toPrecision(3))}%`;

  function seriesOf(line, place, spec) {
    const value = (_, raw) => spec.unit === "share" ? percent(raw) : short(raw);
    const alone = { show: line.values.length === 1, size: 7 };
    const base = { label: line.label, value, spanGaps: false, points: { show: line.values.length < 80 ? undefined : false } };
    switch (line.kind) {
      case "low": case "high": return { ...base, class: "unnamed", stroke: "transparent", width: 0, points: { show: false } };
      case "chance": return { ...base, stroke: css("--chance"), width: 1, dash: [2, 3], points: alone };
      case "threshold": return { ...base, stroke: css("--drift"), width: 1.5, dash: [7, 4], points: alone };
      case "running": return { ...base, stroke: css("--text"), width: 1.3, dash: [6, 4], points: alone };
      case "estimated": return { ...base, stroke: css("--warn"), width: 1.5, dash: [2, 3], points: alone };
      case "share": return { ...base, stroke: css(PALETTE[place % 5]), width: 1.8, dash: DASHES[place % 5], points: alone };
      default: return { ...base, stroke: css("--window"), width: 2 };
    }
  }

  const day = new Intl.DateTimeFormat("en", { timeZone: "UTC", month: "short", day: "numeric" });
  function times(_, ticks) {
    return ticks.map((seconds) => seconds % 86400 === 0 ? day.format(seconds * 1000) : new Date(seconds * 1000).toISOString().slice(11, 16));
  }

  function driftMarks(spec, at) {
    return (plot) => {
      const { ctx } = plot, ratio = devicePixelRatio || 1, values = plot.data[at];
      ctx.save(); ctx.fillStyle = css("--f-drift");
      for (const place of spec.drift) {
        if (values[place] === null || values[place] === undefined) continue;
        const x = plot.valToPos(plot.data[0][place], "x", true), y = plot.valToPos(values[place], "y", true);
        const size = 4.5 * ratio;
        ctx.beginPath(); ctx.moveTo(x, y - size); ctx.lineTo(x + size, y + size * .8); ctx.lineTo(x - size, y + size * .8);
        ctx.closePath(); ctx.fill();
      }
      ctx.restore();
    };
  }

  // what people say happened: a dashed line with a diamond on top; its words show while the pointer is near
  function eventLines(spec) {
    return (plot) => {
      const { ctx, bbox } = plot, ratio = devicePixelRatio || 1, [min, max] = [plot.scales.x.min, plot.scales.x.max];
      ctx.save(); ctx.strokeStyle = ctx.fillStyle = css("--event"); ctx.lineWidth = ratio; ctx.setLineDash([3 * ratio, 3 * ratio]);
      for (const [seconds] of spec.events) {
        if (seconds < min || seconds > max) continue;
        const x = plot.valToPos(seconds, "x", true), size = 4.5 * ratio, y = bbox.top + size;
        ctx.beginPath(); ctx.moveTo(x, y + size); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
        ctx.beginPath(); ctx.moveTo(x, y - size); ctx.lineTo(x + size, y); ctx.lineTo(x, y + size); ctx.lineTo(x - size, y);
        ctx.closePath(); ctx.fill();
      }
      ctx.restore();
    };
  }
  function eventTip(spec) {
    return (plot) => {
      const { left, top } = plot.cursor, box = plot.over.getBoundingClientRect();
      const near = left < 0 ? [] : spec.events.filter(([seconds]) => Math.abs(plot.valToPos(seconds, "x") - left) < 7);
      if (near.length === 0) { if (tip.dataset.of === "event") tip.hidden = true; return; }
      tip.textContent = near.slice(-5).map(([seconds, kind, what]) => `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC\n${kind}: ${what}`).join("\n");
      tip.dataset.of = "event"; tip.hidden = false;
      tip.style.left = `${Math.min(box.left + scrollX + left + 12, scrollX + innerWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${box.top + scrollY + top + 14}px`;
    };
  }

  function zoom(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const first = plot.posToVal(left, "x"), last = plot.posToVal(left + width, "x");
    if (root.dataset.live === undefined) { plot.setScale("x", { min: first, max: last }); return; }
    const address = new URL(location.href), text = (s) => new Date(s * 1000).toISOString().slice(0, 19) + "Z";
    address.searchParams.delete("last");
    address.searchParams.set("from", text(first)); address.searchParams.set("to", text(last));
    location.assign(address);
  }

  function draw(box) {
    if (typeof uPlot === "undefined") return;
    plots.get(box)?.destroy(); plots.delete(box);
    const spec = JSON.parse(box.querySelector("script").textContent);
    const low = spec.lines.findIndex((line) => line.kind === "low"), high = spec.lines.findIndex((line) => line.kind === "high");
    const main = spec.lines.findIndex((line) => line.kind === "value");
    const axis = { stroke: css("--muted"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 },
      font: "11.5px system-ui, sans-serif" };
    const ends = [spec.t[0], spec.t[spec.t.length - 1]];
    const options = {
      width: Math.max(box.clientWidth, 220), height: 190,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { time: true, range: (u, min, max) => u.data[0].length === 1 ? [u.data[0][0] - 43200, u.data[0][0] + 43200] : [min, max] },
        y: { range: spec.cap ? (_, min, max) => [Math.max(Math.min(min ?? 0, 0) * 1.1, -spec.cap), Math.min(Math.max(max ?? 1, 1) * 1.1, spec.cap)] : (_, min, max) => spec.free && max > min ? [min - .08 * (max - min), max + .08 * (max - min)] : [Math.min(0, min ?? 0), (max ?? 0) > 0 ? max * 1.1 : spec.unit === "share" ? .01 : 1] } },
      axes: [{ ...axis, space: 62, size: 30, values: times }, { ...axis, size: 54, values: (_, ticks) => ticks.map(spec.unit === "share" ? percent : short) }],
      series: [{ label: "window end (UTC)", value: "{YYYY}-{MM}-{DD} {HH}:{mm}" }, ...spec.lines.map((line, place) => seriesOf(line, place, spec))],
      bands: low >= 0 && high >= 0 ? [{ series: [high + 1, low + 1], fill: css("--band") }] : [],
      cursor: { sync: { key: "time" }, drag: { x: true, y: false, setScale: false } },
      hooks: { ready: [(plot) => plot.setLegend({ idx: spec.t.length - 1 })], setSelect: [zoom], draw: [...(main >= 0 ? [driftMarks(spec, main + 1)] : []), ...(spec.events?.length ? [eventLines(spec)] : [])],
        setCursor: spec.events?.length ? [eventTip(spec)] : [] },
    };
    if (ends[0] === undefined) return;
    const chart = new uPlot(options, [spec.t, ...spec.lines.map((line) => line.values)], box);
    plots.set(box, chart);
  }

  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) plots.get(target)?.setSize({ width: Math.max(target.clientWidth, 220), height: 190 });
  });

  // ---- ages ------------------------------------------------------------------------------------------------------
  function ages() {
    for (const time of document.querySelectorAll("time[data-age]")) {
      const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
      if (!(seconds >= 0)) continue;
      const [length, unit] = seconds < 90 ? [1, "s"] : seconds < 5400 ? [60, "min"] : seconds < 172800 ? [3600, "h"] : [86400, "d"];
      time.title = time.title || `${time.textContent} UTC`;
      time.textContent = `${Math.round(seconds / length).toLocaleString("en")} ${unit} ago`;
    }
  }

  // ---- what is under the pointer -----------------------------------------------------------------------------------
  const tip = document.createElement("div");
  tip.className = "tip"; tip.hidden = true; tip.setAttribute("aria-hidden", "true");
  function point(event) {
    const cell = event.target.closest?.("td.time[data-ratios]");
    if (!cell) { if (tip.dataset.of !== "event" || !event.target.closest?.(".plot")) tip.hidden = true; return; }
    tip.dataset.of = "cell";
    const ratios = cell.dataset.ratios.split(","), box = cell.querySelector("svg").getBoundingClientRect();
    const place = Math.floor((event.clientX - box.left) / box.width * ratios.length);
    if (!(place >= 0 && place < ratios.length)) { tip.hidden = true; return; }
    const known = JSON.parse(cell.closest(".card").querySelector("script.times").textContent);
    const [start, end] = known.times[place];
    tip.textContent = `${start} to ${end} UTC\n${known.rows[place].toLocaleString("en")} rows, `
      + (ratios[place] === "" ? "not judged" : `drift ratio ${ratios[place]}`);
    tip.hidden = false;
    tip.style.left = `${Math.min(event.pageX + 14, scrollX + innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${event.pageY + 16}px`;
  }

  // ---- updates -----------------------------------------------------------------------------------------------------
  const received = new Map();
  const parts = (main) => [...main.querySelectorAll(":scope > [id], :scope > div > [id]")];
  function remember() { for (const part of parts(document.querySelector("main"))) received.set(part.id, part.outerHTML); }

  function replace(old, fresh) {
    const open = new Set([...old.querySelectorAll("details[open] > summary")].map((one, place) => `${place}${one.textContent}`));
    const focus = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    for (const box of old.querySelectorAll(".plot")) { plots.get(box)?.destroy(); plots.delete(box); resized.unobserve(box); }
    old.replaceWith(fresh);
    [...fresh.querySelectorAll("details > summary")].forEach((one, place) => {
      if (open.has(`${place}${one.textContent}`)) one.parentElement.open = true;
    });
    if (focus) [...fresh.querySelectorAll("a")].find((one) => one.getAttribute("href") === focus)?.focus({ preventScroll: true });
    enhance(fresh);
  }

  function apply(text) {
    const next = new DOMParser().parseFromString(text, "text/html"), main = document.querySelector("main");
    const fresh = parts(next.querySelector("main")), now = parts(main);
    if (fresh.map((one) => one.id).join() !== now.map((one) => one.id).join()) {
      plots.clear(); main.replaceWith(document.adoptNode(next.querySelector("main"))); received.clear();
      remember(); enhance(document); return;
    }
    fresh.forEach((part, place) => {
      const fields = [...now[place].querySelectorAll("input")];
      const typing = fields.some((one) => one === document.activeElement || one.value !== one.defaultValue);
      if (typing || received.get(part.id) === part.outerHTML) return;
      received.set(part.id, part.outerHTML);
      replace(now[place], document.adoptNode(part));
    });
  }

  let seen = null, busy = false;
  async function update() {
    if (document.hidden || busy) return;
    busy = true;
    const live = document.getElementById("live");
    try {
      const answer = await fetch(location.href, { cache: "no-cache", headers: { Accept: "text/html" } });
      const mark = answer.headers.get("ETag");
      if (answer.ok && mark !== seen) { const text = await answer.text(); if (seen !== null) apply(text); seen = mark; }
      live.className = answer.ok ? "" : "lost"; live.textContent = answer.ok ? "live" : "no answer";
      if (!answer.ok && !document.querySelector("main > .waiting")) live.textContent = "service not ready";
      if (answer.ok && document.querySelector("main > .waiting")) location.reload();
    } catch { live.className = "lost"; live.textContent = "connection lost"; }
    busy = false;
  }

  // ---- all together ------------------------------------------------------------------------------------------------
  function enhance(part) {
    for (const box of part.querySelectorAll(".plot")) { draw(box); resized.observe(box); }
    ages();
  }
  function redraw() { for (const box of [...plots.keys()]) draw(box); }

  document.addEventListener("DOMContentLoaded", () => {
    document.body.append(tip);
    document.addEventListener("pointermove", point);
    const button = document.getElementById("theme");
    const name = () => { if (button) button.textContent = isDark() ? "Light" : "Dark"; };
    button?.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark"; store.set(root.dataset.theme); name(); redraw();
    });
    if (button) button.hidden = false;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { name(); redraw(); });
    name(); remember(); enhance(document); setInterval(ages, 10000);
    if (root.dataset.live !== undefined) {
      setInterval(update, 1000 * Number(root.dataset.live)); update();
      document.addEventListener("visibilitychange", update);
    }
  });
})();
