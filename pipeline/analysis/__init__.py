"""SQL over a lake: its rows as plain tables, and views that count, measure and follow things."""
