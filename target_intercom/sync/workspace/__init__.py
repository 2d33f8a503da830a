"""What the workspace has: its attributes, tags, companies and teammates."""
