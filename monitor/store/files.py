"""Directories that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Make the names within a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(path: Path) -> None:
    """Make a directory and all files in it durable."""
    for file in path.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_directory(path)


def remove(path: Path) -> None:
    """Remove a directory, if it is there. It first gets a hidden name, so that no half of it is ever taken for one."""
    hidden = path.with_name(f".{path.name.removeprefix('.')}.old")
    if path.exists():
        shutil.rmtree(hidden, ignore_errors=True)
        path.rename(hidden)
    if hidden.exists():
        shutil.rmtree(hidden)


def link_tables(source: Path, target: Path) -> None:
    """Copy a database directory: tables, which never change, by hard links; everything else for real."""
    target.mkdir()
    for file in source.iterdir():
        if file.suffix == ".sst":
            try:
                (target / file.name).hardlink_to(file)
                continue
            except PermissionError:
                pass
        shutil.copyfile(file, target / file.name)
    sync_files(target)


def size_of(path: Path) -> int:
    """Return the bytes of all files beneath a path; files that vanish meanwhile count nothing."""
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            try:
                total += (Path(directory) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
