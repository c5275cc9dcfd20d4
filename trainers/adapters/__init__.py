"""Recipes inside other trainers: TRL's GRPOTrainer (`trl.py`) and verl's registries (`verl.py`). Neither is imported until used."""
