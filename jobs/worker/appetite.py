"""How many jobs a worker wants: as many as it has processes for, and of quick ones some ahead."""

from __future__ import annotations

from .quickness import Quickness


class Appetite:
    def __init__(self, concurrency: int, claim_ahead: int, quickness: Quickness) -> None:
        self.concurrency = concurrency
        self.claim_ahead = claim_ahead
        self.quickness = quickness
        self.enabled = True
        """Whether there are processes to run jobs."""
        self.held: set[int] = set()
        """Attempts claimed and not yet finished."""
        self.may_be_due = True
        """Whether a look for due jobs may find one."""
        self.looked_ahead_only = False
        """Whether the last look was for quick jobs alone, and so says nothing of the others."""
        self.found_nothing = True
        """Whether no look has found any since this was last set."""

    def wants(self, leaving: int = 0) -> tuple[int, int]:
        """Return how many jobs to claim at once, and how many more if they are of quick classes.

        `leaving` attempts still count as held and are about to be finished. Claims ahead come in
        portions of half of what there is room for, to make few statements of many.
        """
        if not self.enabled:
            return 0, 0
        room = self.concurrency - len(self.held) + leaving
        flows = bool(self.quickness.classes) and self.quickness.flows
        ahead = max(0, self.claim_ahead + min(0, room)) if flows else 0
        if room <= 0 and ahead * 2 < max(1, self.claim_ahead):
            return 0, 0
        return max(0, room), ahead

    def has_stock(self) -> bool:
        """Whether so much is claimed ahead that outcomes may gather without anybody waiting."""
        return (len(self.held) - self.concurrency) * 2 >= max(1, self.claim_ahead)

    def found(self, claims: int, wanted: int) -> None:
        """Note how many jobs have been found, and how many were wanted at once."""
        self.may_be_due = claims > 0 and claims >= wanted
        self.looked_ahead_only = wanted == 0
        self.found_nothing = self.found_nothing and not claims

    def enable(self, yes: bool) -> None:
        """Note that there are processes again, or that there are none."""
        self.enabled = yes
        self.may_be_due = True  # Nobody has looked meanwhile, or will for now.

    def finished(self, attempt_id: int) -> None:
        """Note that an attempt has ended: there is room again for jobs that are not quick."""
        self.held.discard(attempt_id)
        self.may_be_due = self.may_be_due or self.looked_ahead_only
