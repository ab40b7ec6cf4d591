/* framecache: errors, told on the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_BUS_ERRORS_H
#define FCR_BUS_ERRORS_H

#include <gio/gio.h>

G_BEGIN_DECLS

/* Gives FCR_ERROR's codes their names on the bus. Once, before the first
 * error is told. */
void fcr_bus_errors_register (void);

/* Answer INVOCATION with ERROR: one of FCR_ERROR; one of G_OPTION_ERROR, which
 * is an argument that will not do; or another, which is a failure. Takes
 * both. */
void fcr_bus_errors_return (GDBusMethodInvocation *invocation, GError *error);

G_END_DECLS

#endif /* FCR_BUS_ERRORS_H */
