"""Orders to switch references, as retraining decides them: each is given once, whatever crashes."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from alerts.receivers.times import rfc3339
from alerts.retraining.ledger import SYSTEM
from alerts.retraining.states import Proposal
from monitor.evidence.orders import OrderKind, Orders
from monitor.store.port import StateUnavailableError

log = structlog.get_logger(__name__)


class SwitchOrders:
    """Gives the orders that proposals ask for; the pipeline follows them."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._given: dict[str, int] = {}
        """Reason → number of the order that is known to stand in the file."""

    def order(self, proposals: Iterable[Proposal], now: int) -> bool:
        """Give what is asked for and was not given yet; return whether all of it is written."""
        try:
            for proposal in proposals:
                if proposal.switch in {"asked", "undone"} and proposal.learn_from is not None:
                    self._one(proposal, now, proposal.learn_from, proposal.learn_until or 0)
        except StateUnavailableError as error:
            log.warning("an order to switch a reference cannot be written yet", problem=str(error))
            return False
        return True

    def _one(self, proposal: Proposal, now: int, begin: int, end: int) -> None:
        because = f"retraining {proposal.id}: version {proposal.new_version}, rows from {rfc3339(begin)}"
        number = self._give(proposal.model, now, "switch", rfc3339(begin), end, because)
        if proposal.switch == "undone":
            self._give(proposal.model, now, "switch_back", str(number), end, f"{because}: it did not hold")

    def _give(self, model: str, now: int, kind: OrderKind, column: str, until: int, because: str) -> int:
        if because not in self._given:
            self._given[because] = self._orders.ensure(
                at=now, who=SYSTEM, model=model, column=column, until=until, because=because, kind=kind
            )
        return self._given[because]
