"""`python -m helpdesk_api` is the `helpdesk` command."""

from helpdesk_api.cli import main

if __name__ == "__main__":
    main()
