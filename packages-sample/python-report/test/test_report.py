"""Run it with `python3 -B -m unittest discover test` in the package's folder."""

import sys
import tempfile
import unittest
from decimal import Decimal
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
sys.path.insert(0, str(PACKAGE / "src"))

import jobyard  # noqa: E402
from report import report, sums_by_product  # noqa: E402


def order(date="2026-03-01", product="Pencil", quantity="2", price="0.85"):
    return {"date": date, "product": product, "quantity": quantity, "unitPrice": price}


class SumsByProduct(unittest.TestCase):
    def test_adds_up_the_orders_of_the_month_without_rounding(self):
        sums = sums_by_product([order(), order(quantity="1", price="0.1"), order(date="2026-04-01")], "2026-03")
        self.assertEqual([*sums], ["Pencil"])
        self.assertEqual((sums["Pencil"].quantity, sums["Pencil"].revenue), (3, Decimal("1.8")))

    def test_names_the_line_that_is_not_an_order(self):
        for wrong in (order(quantity="two"), order(price="free"), {"date": "2026-03-01"}):
            with self.assertRaisesRegex(jobyard.NonRetryableError, "line 3 is not an order"):
                sums_by_product([order(), wrong], "2026-03")


class Report(unittest.TestCase):
    def test_writes_a_table_and_returns_the_totals(self):
        with tempfile.TemporaryDirectory() as output:
            job = jobyard.Job(parameters={"month": "2026-03"}, package_path=PACKAGE, output_path=Path(output))
            totals = report(job)
            lines = (Path(output) / "sales-2026-03.csv").read_text(encoding="utf-8").splitlines()
        self.assertEqual((totals["products"], totals["file"]), (5, "sales-2026-03.csv"))
        self.assertEqual(lines[0], "product,quantity,revenue")
        revenue = sum(Decimal(line.split(",")[2]) for line in lines[1:])
        self.assertEqual(totals["revenue"], f"{revenue:.2f}")

    def test_refuses_a_month_that_is_none(self):
        for wrong in ({"month": "2026-13"}, {"month": 3}, {}, None):
            with self.assertRaises(jobyard.NonRetryableError):
                report(jobyard.Job(parameters=wrong, package_path=PACKAGE))


if __name__ == "__main__":
    unittest.main()
