"""helpdesk-api: the API-first, headless, multi-tenant help desk for B2B service companies."""
