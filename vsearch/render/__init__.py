"""Pictures for people, decoded from stored latents: contact sheets, animations, numbered frames, HTML reports."""
