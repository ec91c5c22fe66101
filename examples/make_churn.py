"""Make ``churn/churn.csv``: customers of a phone company, and whether they left. Always the same bytes.

The truth behind it, so that a model can be judged: the log-odds of leaving are

    -1.9 - 0.07 × months + 2.2 × [month-to-month] - 1.6 × [two years] + 0.04 × (monthly charge - 65)
    + 0.9 × support calls - 1.2 × [autopay] + 1.5 × [fiber and support calls ≥ 3] + 1.2 × [no call for a year]

and a coin is thrown with that probability. Knowing the formula, one reaches an AUC of about 0.92: the rest is chance.
Some values are missing at random. Five further rows are broken, each in another way, to show what happens to them.

    python examples/make_churn.py
"""

from __future__ import annotations

import csv
import datetime
import io
import math
import random
from pathlib import Path

ROWS = 2000
SEED = 20260301
TODAY = datetime.date(2026, 3, 1)
HEADER = (
    *("customer_id", "months", "contract", "internet", "monthly_charge", "support_calls"),
    *("autopay", "last_call", "region", "data_gb", "churned"),
)
REGIONS = ("north", "south", "east", "west", "centre", "islands")
#: (after how many good rows, the broken line): a word for a number, a field too many, too few, no label, no such day
BROKEN = (
    (400, "C9001,twelve,one year,dsl,59.90,1,true,2026-01-12,north,12.1,no"),
    (800, "C9002,8,monthly,fiber,88.20,2,false,2026-02-01,south,40.2,yes,extra"),
    (1200, "C9003,31,two years,dsl,49.00"),
    (1600, "C9004,5,monthly,fiber,91.50,4,false,2025-11-30,east,55.0,"),
    (1900, "C9005,20,one year,none,25.00,0,true,2026-13-45,west,0.4,no"),
)


def leaving_probability(row: dict[str, object]) -> float:
    """The true probability that this customer leaves."""
    months, charge, calls = float(str(row["months"])), float(str(row["monthly_charge"])), int(str(row["support_calls"]))
    days = (TODAY - datetime.date.fromisoformat(str(row["last_call"]))).days
    odds = -1.9 - 0.07 * months + 0.04 * (charge - 65) + 0.9 * calls
    odds += {"monthly": 2.2, "one year": 0.0, "two years": -1.6}[str(row["contract"])]
    odds -= 1.2 * (row["autopay"] == "true")
    odds += 1.5 * (row["internet"] == "fiber" and calls >= 3)
    odds += 1.2 * (days > 365)
    return 1 / (1 + math.exp(-odds))


def customer(number: int, chance: random.Random) -> tuple[dict[str, object], float]:
    """One customer as CSV fields, and the true probability of leaving. Missing values come after the label is drawn."""
    internet = chance.choices(("fiber", "dsl", "none"), (5, 3, 2))[0]
    base = {"fiber": 82, "dsl": 55, "none": 24}[internet]
    row: dict[str, object] = {
        "customer_id": f"C{number:04d}",
        "months": min(72, int(chance.expovariate(1 / 26)) + 1),
        "contract": chance.choices(("monthly", "one year", "two years"), (5, 3, 2))[0],
        "internet": internet,
        "monthly_charge": f"{max(15.0, chance.gauss(base, 11)):.2f}",
        "support_calls": min(9, int(chance.expovariate(1 / 1.3))),
        "autopay": "true" if chance.random() < 0.45 else "false",
        "last_call": (TODAY - datetime.timedelta(days=int(chance.expovariate(1 / 190)))).isoformat(),
        "region": chance.choice(REGIONS),
        "data_gb": f"{chance.lognormvariate(2.6, 0.9) if internet != 'none' else chance.random():.1f}",
    }
    probability = leaving_probability(row)
    row["churned"] = "yes" if chance.random() < probability else "no"
    for column, share in (("monthly_charge", 0.02), ("data_gb", 0.04), ("region", 0.03), ("autopay", 0.01)):
        if chance.random() < share:
            row[column] = ""
    return row, probability


def churn_csv() -> str:
    """The whole file."""
    chance = random.Random(SEED)  # noqa: S311  (data, not secrets)
    target = io.StringIO()
    writer = csv.DictWriter(target, HEADER, lineterminator="\n")
    writer.writeheader()
    broken = dict(BROKEN)
    for number in range(1, ROWS + 1):
        writer.writerow(customer(number, chance)[0])
        if number in broken:
            target.write(broken[number] + "\n")
    return target.getvalue()


def best_auc() -> float:
    """The AUC of the true probabilities: what no model can beat in the long run."""
    chance = random.Random(SEED)  # noqa: S311  (data, not secrets)
    scored = [(probability, row["churned"]) for row, probability in (customer(n, chance) for n in range(1, ROWS + 1))]
    yes = [score for score, label in scored if label == "yes"]
    no = [score for score, label in scored if label == "no"]
    wins = sum((a > b) + 0.5 * (a == b) for a in yes for b in no)
    return wins / (len(yes) * len(no))


if __name__ == "__main__":
    target_file = Path(__file__).parent / "churn" / "churn.csv"
    target_file.parent.mkdir(exist_ok=True)
    target_file.write_text(churn_csv())
    print(f"{target_file}: {ROWS:,} customers and {len(BROKEN)} broken lines; best AUC {best_auc():.3f}")
