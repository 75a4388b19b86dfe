"""The source that a configuration asks for."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.config.model import StreamConfig
from monitor.config.root import Config, KafkaConfig
from monitor.sources.files import FileSource
from monitor.sources.kafka import KafkaPythonSource
from monitor.sources.merged import MergedSource
from monitor.sources.port import Source


class MissingExtraError(Exception):
    """The configuration asks for something that is not installed; the message names the command."""


def build_source(config: Config, *, follow: bool = True) -> Source:
    """Return a source over all streams of a configuration; nothing is connected or opened yet.

    A stream with a ``file`` is read from there under the name of its topic or, without one, of the file; the others
    come from the cluster.

    Parameters
    ----------
    config
        The configuration.
    follow
        Whether files are followed for ever, or read to their end.

    Raises
    ------
    MissingExtraError
        When ``kafka.client`` is not installed.
    """
    files: dict[str, str] = {}
    topics: set[str] = set()
    for stream in _streams(config):
        if stream.file is not None:
            files[stream.topic if stream.topic is not None else stream.file] = stream.file
        elif stream.topic is not None:
            topics.add(stream.topic)
    routes: dict[str, Source] = {}
    if files:
        from_files: Source = FileSource(files, follow=follow, max_line_bytes=config.limits.max_record_bytes)
        routes |= dict.fromkeys(files, from_files)
    if topics - set(files) or not routes:
        cluster = build_kafka_source(config.kafka, need_headers=needs_headers(config))
        if not routes:
            return cluster
        routes |= dict.fromkeys(topics - set(files), cluster)
    return from_files if set(routes) == set(files) else MergedSource(routes)


def build_kafka_source(kafka: KafkaConfig, *, need_headers: bool = True) -> Source:
    """Return a source over a cluster, on the client that the configuration names."""
    if kafka.client == "kafka-python":
        return KafkaPythonSource(kafka, need_headers=need_headers)
    try:
        from monitor.sources.librdkafka import LibrdkafkaSource  # noqa: PLC0415 - an extra, so it may be missing
    except ImportError as error:
        message = "kafka.client librdkafka needs the extra of that name: pip install 'driftline[librdkafka]'"
        raise MissingExtraError(message) from error
    return LibrdkafkaSource(kafka, need_headers=need_headers)


def needs_headers(config: Config) -> bool:
    """Return whether anybody may look at headers: a mapping that names them, or dead letters, which carry them on."""
    if config.kafka.dead_letters is not None:
        return True
    return any("headers" in stream.model_dump_json() for stream in _streams(config))


def _streams(config: Config) -> Iterator[StreamConfig]:
    for model in config.models:
        yield model.predictions
        if model.labels is not None:
            yield model.labels
