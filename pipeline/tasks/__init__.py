"""What a task takes and gives: preparing pictures, decoding outputs, drawing results."""
