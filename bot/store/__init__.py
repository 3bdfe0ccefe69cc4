"""State in memory or in a SQL database: SQLite on one machine, PostgreSQL for several processes."""
