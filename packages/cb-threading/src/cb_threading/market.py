"""The chapter's market: buyers buy at random while the products' providers' auditors add up what was sold.

What must hold, whatever the threads do: every purchase is kept, and the auditors' sums are the sum of the purchases.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cb_threading.limiter import Limiter
from cb_threading.repository import Repository
from cb_threading.workers import WorkerGroup

__all__ = ["MarketReport", "Product", "Purchase", "Sales", "run_market"]

BUYERS = ("carlos", "juan", "mike", "sarah")


@dataclass(frozen=True, slots=True)
class Product:
    """What is for sale."""

    description: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class Purchase:
    """Who bought how much of what, for how much in all."""

    buyer: str
    product: int
    quantity: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class Sales:
    """What an auditor found for one product."""

    product: int
    quantity: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class MarketReport:
    """What was bought, what the auditors found, and how many of them were at it at once."""

    purchases: int
    quantity: int
    total: Decimal
    sales: tuple[Sales, ...]
    most_auditors: int

    @property
    def balanced(self) -> bool:
        """The auditors' sums add up to what was bought."""
        quantity = sum(sale.quantity for sale in self.sales)
        return quantity == self.quantity and sum(sale.total for sale in self.sales) == self.total


def run_market(
    products: Sequence[Product],
    *,
    buyers: Sequence[str] = BUYERS,
    purchases: int = 1000,
    seed: int | None = None,
    max_auditors: int = 5,
    log: Callable[[str], object] | None = None,
) -> MarketReport:
    """Let each of *buyers* buy *purchases* times, all at once; then audit each product, *max_auditors* at a time.

    With a *seed* each buyer buys the same things in every run. *log* is told in words, with the thread's name.
    """
    if not products:
        raise ValueError("a market needs a product")
    shelf: Repository[Product] = Repository()
    sold: Repository[Purchase] = Repository()
    numbers = [shelf.add(product) for product in products]
    limiter = Limiter(max_auditors)
    say = log or str

    def buy(name: str) -> None:
        chance = random.Random(f"{seed}:{name}" if seed is not None else None)  # noqa: S311 - a game
        for _ in range(purchases):
            if group.stop.is_set():
                return  # Ctrl-C
            number, quantity = chance.choice(numbers), chance.randrange(100)
            sold.add(Purchase(name, number, quantity, shelf.get(number).price * quantity))
        say(f"(Buyer-{name}) {purchases} purchases")

    def audit(number: int) -> Sales:
        who = f"(Auditor-product_id={number})"
        say(f"{who} waiting")
        with limiter:
            say(f"{who} in")
            mine = [purchase for purchase in sold.snapshot().values() if purchase.product == number]
            sales = Sales(number, sum(one.quantity for one in mine), sum((one.total for one in mine), Decimal()))
            say(f"{who} {sales.quantity} sold for {sales.total}")
        return sales

    with WorkerGroup(name="Buyer") as group:
        for buyer in buyers:
            group.start(buy, buyer)
    with WorkerGroup(name="Auditor") as group:
        workers = [group.start(audit, number) for number in numbers]
        sales = tuple(worker.result() for worker in workers)
    bought = sold.snapshot().values()
    return MarketReport(
        len(bought),
        sum(one.quantity for one in bought),
        sum((one.total for one in bought), Decimal()),
        sales,
        limiter.statistics().peak,
    )
