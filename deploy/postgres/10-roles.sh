#!/bin/sh
# Makes the roles of helpdesk-api; the PostgreSQL image runs it once, when it makes the data directory.
#
#   helpdesk_owner    owns the schema and runs the migrations
#   helpdesk_app      serves API and worker, owns nothing, so row-level security binds it
#   helpdesk_sweeper  finds due work across tenants; the application takes it on for that alone
set -eu

psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
    --set=owner_password="$HELPDESK_OWNER_PASSWORD" --set=app_password="$HELPDESK_APP_PASSWORD" <<'SQL'
CREATE ROLE helpdesk_owner LOGIN CREATEROLE PASSWORD :'owner_password';
CREATE ROLE helpdesk_app LOGIN NOINHERIT PASSWORD :'app_password';
CREATE ROLE helpdesk_sweeper NOLOGIN;
GRANT helpdesk_sweeper TO helpdesk_app WITH INHERIT FALSE, SET TRUE;
GRANT helpdesk_app, helpdesk_sweeper TO helpdesk_owner WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
CREATE DATABASE helpdesk OWNER helpdesk_owner;
SQL
