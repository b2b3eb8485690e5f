"""Who people are: accounts, roles and what a role may do, patient records, and finding somebody by name."""
