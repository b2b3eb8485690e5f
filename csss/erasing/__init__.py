"""Erase a patient on request, the only exception to the rule that nothing is deleted; legal holds and retention."""
