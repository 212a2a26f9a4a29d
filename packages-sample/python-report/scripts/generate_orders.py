"""Writes data/orders.csv again: the same orders at every run."""

import csv
import random
from datetime import date, timedelta
from pathlib import Path

PRODUCTS = {"Desk lamp": "49.90", "Notebook": "3.20", "Office chair": "189.00", "Pencil": "0.85", "Whiteboard": "74.50"}
ORDERS = 1_000

chance = random.Random(1)
with (Path(__file__).parent.parent / "data" / "orders.csv").open("w", encoding="utf-8", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(("date", "product", "quantity", "unitPrice"))
    for index in range(ORDERS):
        product = chance.choice(sorted(PRODUCTS))
        day = date(2026, 1, 1) + timedelta(days=index * 120 // ORDERS)
        table.writerow((day.isoformat(), product, chance.randint(1, 12), PRODUCTS[product]))
