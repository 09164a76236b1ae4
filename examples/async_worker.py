"""An async worker: hooks and business share one event loop, in which it also rests.

python -m naruto start async_worker:Prices
"""

import asyncio
import random

from naruto import WorkerProcess


class Prices(WorkerProcess):
    """Asks several shops at once, and keeps a connection alive in the background."""

    interval = "200ms"

    async def on_start(self) -> None:
        self.beats = 0
        self.heart = asyncio.create_task(self.beat())

    async def business(self) -> None:
        prices = await asyncio.gather(*(self.ask(shop) for shop in ("north", "south", "east")))
        print(f"cheapest: {min(prices)} (heart beats so far: {self.beats})")

    async def on_stop(self, reason: str) -> None:
        self.heart.cancel()
        print(f"{self.beats} heart beats, leaving because of {reason}")

    async def ask(self, shop: str) -> tuple[int, str]:
        """Ask one shop; the sleep stands for the network."""
        await asyncio.sleep(0.02)
        return random.randrange(90, 110), shop

    async def beat(self) -> None:
        """Run between the loops as well: naruto cancels nothing before on_stop."""
        while True:
            self.beats += 1
            await asyncio.sleep(0.01)
