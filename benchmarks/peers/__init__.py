"""What reelstream is measured against: one file a library, all asked in the same way."""

from peers.contest import Answer, Contestant, Missing, Peer, Question, contestants

__all__ = ["Answer", "Contestant", "Missing", "Peer", "Question", "contestants"]
