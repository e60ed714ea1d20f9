"""What comes out: tables over seeds, and the verdicts on the claims."""
