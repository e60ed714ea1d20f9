"""Single-nodal performance: what each node of a trained network contributes to each label."""

__version__ = "0.1.0"
