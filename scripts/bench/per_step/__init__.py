"""The rule per time step, after fine-tuning."""
