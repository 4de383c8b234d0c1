"""Other programs' records of runs (TensorBoard, MLflow, Weights & Biases), from stored files."""
