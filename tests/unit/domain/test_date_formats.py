"""Declared formats of dates: what they read, what they refuse, and what a column of undeclared ones looks like."""

from __future__ import annotations

import re

import pytest

from sluicegate.domain.date_formats import EPOCHS, date_format, likely
from sluicegate.domain.dates import parse_date
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.records import InvalidRecords, parse_records
from sluicegate.domain.schema import Column, Schema
from sluicegate.domain.settings_reader import parse_settings


@pytest.mark.parametrize(
    ("text", "value", "iso"),
    [
        ("%d/%m/%Y", "31/12/2025", "2025-12-31"),
        ("%m/%d/%Y %H:%M", "12/31/2025 14:05", "2025-12-31T14:05"),
        ("%m/%d/%Y %I:%M %p", "12/31/2025 2:05 pm", "2025-12-31T14:05"),
        ("%m/%d/%Y %I:%M %p", "12/31/2025 12:00 AM", "2025-12-31T00:00"),
        ("%m/%d/%Y %I:%M:%S%p", "1/2/2025 12:00:01p.m.", "2025-1-2T12:00:01"),
        ("%d.%m.%y", "31.12.68", "2068-12-31"),
        ("%d.%m.%y", "31.12.69", "1969-12-31"),
        ("%Y%m%d", "20251231", "2025-12-31"),
        ("%Y%m%d%H%M%S", "20251231235959", "2025-12-31T23:59:59"),
        ("%Y年%m月%d日", "2025年12月31日", "2025-12-31"),
        ("%d/%m/%Y %H:%M:%S.%f%z", "31/12/2025 23:59:59.5+02:00", "2025-12-31T23:59:59.5+02:00"),
        ("%d %b %Y", "3 Nov 2026", "2026-11-3"),
        ("%B %d, %Y %I:%M %p", "sept. 3, 2026 2:05 PM", "2026-09-3T14:05"),
        ("%d%b%y", "1MAY26", "2026-05-1"),
        ("%d-%b-%Y", "3-November-2026", "2026-11-3"),
        ("%d %b %Y", "3 Novel 2026", "3 Novel 2026"),
        ("%d %b %Y", "31 Feb 2026", "31 Feb 2026"),
        ("epoch_seconds", "1735689600", "2025-01-01T00:00:00.000"),
        ("epoch_seconds", "-1.5", "1969-12-31T23:59:59.000"),
        ("epoch_milliseconds", "1735689600123", "2025-01-01T00:00:00.123"),
        ("%d/%m/%Y", "31/02/2025", "31/02/2025"),  # there is no such day: it stays, for the message
        ("%d/%m/%Y", "12/31/2025", "12/31/2025"),
        ("%d/%m/%Y", "31/12/2025 10:00", "31/12/2025 10:00"),
        ("%d/%m/%Y", "31/12/2025\n", "31/12/2025\n"),
        ("epoch_seconds", "9" * 15, "9" * 15),
        ("%Y%m%d", "2025-12-31", "2025-12-31"),
    ],
)
def test_what_a_format_reads(text: str, value: str, iso: str) -> None:
    assert date_format(text).iso(value) == iso
    assert parse_date(date_format(text).iso(date_format(text).example)) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no format of a date"),
        ("DD/MM/YYYY", "no format of a date; accepted are %Y %y"),
        ("%d %j %Y", "%j is none of"),
        ("%d %b %m %Y", "the month is %m (a number), %b or %B"),
        ("%d/%m", "the year is %Y"),
        ("%Y-%m", "%d is missing"),
        ("%d/%d/%Y", "%d is there twice"),
        ("%d/%m/%Y %H", "an hour needs %M"),
        ("%d/%m/%Y %I:%M", "the hour is %H, or %I with %p"),
        ("%d/%m/%Y %S", "%S needs %M"),
        ("%d/%m/%Y %z", "%z needs %M"),
        ("%d/%m/%Y%", "% is none of"),
        ("%d/%m/%Y" + " " * 60, "at most 60"),
        ("%d\n%m\n%Y", "can't be printed"),
    ],
)
def test_what_is_no_format(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        date_format(text)


def test_settings_name_the_mistake() -> None:
    assert parse_settings('features: {dates: {when: "%d/%m/%Y"}}').features.declared("when") == "date"
    with pytest.raises(SettingsError) as caught:
        parse_settings('features: {dates: {when: "%d %j"}, types: {at: number}}')
    assert caught.value.detail.startswith('features.dates.when: given "%d %j": %j is none of %Y %y')
    with pytest.raises(SettingsError, match=r"features: .*dates\.when: types says that it is a category"):
        parse_settings('features: {dates: {when: "%d/%m/%Y"}, types: {when: category}}')


@pytest.mark.parametrize(
    ("values", "formats"),
    [
        (["3 Nov 2026", "28 Feb 2025"], ["%d %b %Y"]),
        (["Nov 3, 2026", "February 28, 2025"], ["%b %d, %Y"]),
        (["03-Nov-26 14:05"], ["%d-%b-%y %H:%M"]),
        (["31/12/2025", "01/02/2025"], ["%d/%m/%Y"]),
        (["12/31/2025 2:05 PM", "1/2/2025 12:00 AM"], ["%m/%d/%Y %I:%M %p"]),
        (["01/02/2025", "02/03/2025"], ["%d/%m/%Y", "%m/%d/%Y"]),
        (["31.12.2025", "1.2.2025"], ["%d.%m.%Y"]),
        (["20251231", "20250101"], ["%Y%m%d"]),
        (["1735689600", "1735689601"], ["epoch_seconds"]),
        (["1735689600000"], ["epoch_milliseconds"]),
        (["10.0.0.1", "31/12/2025 25:00", "12-34-5678", "20259999"], []),
        (["31/12/2025"] + ["x"] * 9, []),
        ([], []),
    ],
)
def test_what_looks_like_dates(values: list[str], formats: list[str]) -> None:
    assert likely(values, 0.95) == formats


def test_a_request_says_dates_as_the_files_do() -> None:
    schema = Schema((Column("day", "date", format="%d/%m/%Y"), Column("at", "date", format="epoch_seconds")))
    assert Schema.from_json(schema.to_json()) == schema and set(EPOCHS) == {"epoch_seconds", "epoch_milliseconds"}
    body = b'{"records": [{"day": "31/12/2025", "at": 1735689600}, {"day": "2025-12-31", "at": null}]}'
    assert parse_records(body, "application/json", schema) == [
        {"day": "2025-12-31", "at": "2025-01-01T00:00:00.000"},
        {"day": "2025-12-31", "at": None},
    ]
    assert parse_records(b"day,at\n 1/2/2025 ,1735689600.0\n", "text/csv", schema) == [
        {"day": "2025-2-1", "at": "2025-01-01T00:00:00.000"}
    ]
    with pytest.raises(InvalidRecords) as caught:
        parse_records(b'{"records": [{"day": "12/31/2025", "at": true}]}', "application/json", schema)
    assert [one.message for one in caught.value.errors] == [
        'expected a date such as 31/01/2026 (%d/%m/%Y) or 2026-01-31, got the string "12/31/2025"',
        "expected a date as a string, such as 2026-01-31T12:00:00Z, got the boolean true",
    ]
