"""Rules, records and adapters that every part of ImageRift shares."""
