"""Training loops: train, finetune, transfer, checkpoints and devices."""
