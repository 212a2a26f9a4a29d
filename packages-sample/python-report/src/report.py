"""Sums up the orders of a month by product: a CSV file as artifact, the totals as output.

Parameters: { "month": "2026-03", "orders": "orders.csv" }

  month   the month to report
  orders  a file of this package's data folder, or an absolute path; default "orders.csv"
"""

import csv
import re
from collections import defaultdict
from decimal import Decimal, InvalidOperation
from typing import Callable, Dict, Mapping, Sequence

import jobyard

#: A report of progress costs a line of the log.
PROGRESS_EVERY = 200


class Sums:
    """What was sold of a product."""

    def __init__(self) -> None:
        self.quantity = 0
        self.revenue = Decimal(0)


def sums_by_product(
    rows: Sequence[Mapping[str, str]], month: str, on_row: Callable[[int], None] = lambda _: None
) -> Dict[str, Sums]:
    """Raises NonRetryableError for a row that is not an order, because the same file gives the same error again."""
    sums: Dict[str, Sums] = defaultdict(Sums)
    for index, row in enumerate(rows):
        on_row(index)
        try:
            date, product = row["date"], row["product"]
            quantity, price = int(row["quantity"]), Decimal(row["unitPrice"])
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            # The first line has the names of the columns.
            raise jobyard.NonRetryableError(f"orders: line {index + 2} is not an order.") from error
        if date.startswith(month):
            sums[product].quantity += quantity
            sums[product].revenue += quantity * price
    return sums


def report(job: jobyard.Job) -> Dict[str, object]:
    parameters = job.parameters if isinstance(job.parameters, dict) else {}
    month = str(parameters.get("month"))
    if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month) is None:
        raise jobyard.NonRetryableError("month: expected a month, as 2026-03.")
    orders = job.package_path / "data" / str(parameters.get("orders", "orders.csv"))

    job.progress(0, f"Reading {orders.name}")
    with orders.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    def show(index: int) -> None:
        if index % PROGRESS_EVERY == 0:
            job.progress(0.9 * index / len(rows), f"Added up {index} of {len(rows)} orders")

    sums = sums_by_product(rows, month, show)
    print(f"{len(sums)} products were sold in {month}.")

    name = f"sales-{month}.csv"
    with (job.output_path / name).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("product", "quantity", "revenue"))
        for product, sold in sorted(sums.items()):
            table.writerow((product, sold.quantity, f"{sold.revenue:.2f}"))
    job.progress(1, f"Wrote {name}")
    revenue = sum((sold.revenue for sold in sums.values()), Decimal(0))
    # Money as text, because most readers take a JSON number for a binary fraction.
    return {"month": month, "products": len(sums), "revenue": f"{revenue:.2f}", "file": name}


if __name__ == "__main__":
    jobyard.run(report)
