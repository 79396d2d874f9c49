"""People's rights over what is known of them: to get it all, and to have it erased."""
