"""What a record says, as a draft of a contact or as a membership. Pure."""
