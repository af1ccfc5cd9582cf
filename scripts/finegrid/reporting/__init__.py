"""Tables, figures, discussion and pages, all made from the comparison. No torch."""
