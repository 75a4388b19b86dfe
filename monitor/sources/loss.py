"""What it means that a position lies outside its log."""

from __future__ import annotations

from monitor.sources.port import LostRecordsError, TopicPartition


def lost_records(name: TopicPartition, offset: int, begin: int, end: int) -> LostRecordsError | None:
    """Return why reading cannot go on at ``offset`` of a log from ``begin`` to ``end``; ``None`` when it can.

    >>> error = lost_records(TopicPartition("p", 0), 10, 25, 80)
    >>> error.lost, error.resume_at, str(error)
    (15, 25, 'p[0]: 15 records from offset 10 on are gone; the log begins at 25')
    """
    if offset < begin:
        message = f"{begin - offset} records from offset {offset} on are gone; the log begins at {begin}"
        return LostRecordsError(name, message, lost=begin - offset, resume_at=begin)
    return cut_back(name, offset, end) if offset > end else None


def cut_back(name: TopicPartition, offset: int, end: int) -> LostRecordsError:
    """Return the error about a log that no longer holds records that were read from it."""
    message = f"reading stands at offset {offset} but the log ends at {end}: it was cut back or replaced"
    return LostRecordsError(name, message, lost=offset - end, resume_at=end)


def made_anew(name: TopicPartition, begin: int) -> LostRecordsError:
    """Return the error about a topic that is not the one that was being read."""
    return LostRecordsError(name, "the topic was deleted and made anew", lost=None, resume_at=begin)
