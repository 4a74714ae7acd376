"""Who calls: by an API key or by the session of somebody who is signed in."""
