"""Who did what, when and from where: written by services, read only by administrators."""
