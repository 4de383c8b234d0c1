"""The report of a sweep: tables, answer, figures and page, from stored results alone."""
