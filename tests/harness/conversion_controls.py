"""Conversions that lose changes. They run under the same writers as ours: a test that cannot fail would be noticed."""

from __future__ import annotations

import psycopg

from harness.databases import run
from harness.writers import Crew

TARGET = """
CREATE TABLE public.orders_new (LIKE public.orders INCLUDING DEFAULTS) PARTITION BY LIST (region);
CREATE TABLE public.orders_eu PARTITION OF public.orders_new FOR VALUES IN ('eu');
CREATE TABLE public.orders_us PARTITION OF public.orders_new FOR VALUES IN ('us');
CREATE TABLE public.orders_ap PARTITION OF public.orders_new FOR VALUES IN ('ap');
ALTER TABLE public.orders_new ADD CONSTRAINT orders_new_pkey PRIMARY KEY (id, region);
"""
MIRROR = """
CREATE FUNCTION public.mirror() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM public.orders_new WHERE id = OLD.id;
    ELSIF TG_OP = 'UPDATE' THEN
        UPDATE public.orders_new SET (id, region, status, at, amount, note)
            = (NEW.id, NEW.region, NEW.status, NEW.at, NEW.amount, NEW.note) WHERE id = OLD.id;
    ELSE
        INSERT INTO public.orders_new VALUES (NEW.*);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mirror AFTER INSERT OR UPDATE OR DELETE ON public.orders
FOR EACH ROW EXECUTE FUNCTION public.mirror();
"""
SWAP = """
ALTER TABLE public.orders RENAME TO orders_old;
ALTER TABLE public.orders_old RENAME CONSTRAINT orders_pkey TO orders_old_pkey;
ALTER TABLE public.orders_new RENAME TO orders;
ALTER TABLE public.orders RENAME CONSTRAINT orders_new_pkey TO orders_pkey;
"""


def convert(connection: psycopg.Connection, crew: Crew, *, mirror: bool) -> None:
    """Copies without locking the rows, with a trigger that mirrors changes or with nothing, then swaps.

    Every copy reads at one moment and writes at another. Here writers are seen to work in between; in the field that
    takes a busy table.
    """
    run(connection, TARGET + (MIRROR if mirror else ""))
    run(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM public.orders LIMIT 1")
    crew.work(100)
    run(connection, "INSERT INTO public.orders_new SELECT o.* FROM public.orders AS o ON CONFLICT DO NOTHING")
    run(connection, "COMMIT")
    run(connection, "BEGIN; LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE")
    run(connection, ("DROP TRIGGER mirror ON public.orders;" if mirror else "") + SWAP)
    run(connection, "COMMIT")
