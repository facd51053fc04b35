"""What is under the operators."""
