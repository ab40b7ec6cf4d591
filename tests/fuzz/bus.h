/* The two ends of a D-Bus connection in one process, and values from a fuzzer's
 * input to be sent through it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FUZZ_BUS_H
#define FUZZ_BUS_H

#include <gio/gio.h>

#include "fuzz.h"

/* OURS is the end of the program that is fuzzed; THEIRS plays the bus, and all
 * who are on it. */
void bus_connect (GDBusConnection **ours, GDBusConnection **theirs);

/* Text of at most 63 bytes; the caller's. */
gchar *bus_take_text (fuzz_t *in);
/* A value of any type that D-Bus has, a floating reference. */
GVariant *bus_take_value (fuzz_t *in);
/* An a{sv}: keys are out of KNOWN, or any text. */
GVariant *bus_take_options (fuzz_t *in, const gchar *const *known);

#endif /* FUZZ_BUS_H */
