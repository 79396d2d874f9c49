"""What a tenant has done by itself: rules over tickets."""
