"""Results: from predictions to measures, stored and checked."""
