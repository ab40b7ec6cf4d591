/* framecache: the registry, asked by fcctl
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_BUS_H
#define FCCTL_BUS_H

#include <gio/gio.h>

G_BEGIN_DECLS

/* Which bus to look for a registry on: the value of --bus. */
typedef enum
{
  FCCTL_BUS_AUTO, /* the session's, else the system's, else none */
  FCCTL_BUS_SESSION,
  FCCTL_BUS_SYSTEM,
  FCCTL_BUS_NONE
} FcctlBus;

#define FCCTL_BUS_ENTRY(text)                                                  \
  {                                                                            \
    "bus", 'b', 0, G_OPTION_ARG_STRING, &(text),                               \
        "Ask the registry on the session or system bus; auto or none", "BUS"   \
  }

/* FALSE where TEXT (NULL is auto) is none of them: that is said. */
gboolean fcctl_bus_take (const gchar *text, FcctlBus *bus);

/* The registry that runs on BUS and has DIRECTORY; none is started. NULL where
 * there is none, with ERROR if one was asked for by name. A bus that does not
 * answer takes a few seconds. */
GDBusConnection *fcctl_bus_registry (FcctlBus bus, const gchar *directory,
                                     GError **error);

/* Call METHOD of the registry; takes PARAMETERS if floating. */
gboolean fcctl_bus_call (GDBusConnection *registry, const gchar *method,
                         GVariant *parameters, GError **error);

/* Whether ERROR is the registry's NAME, as "NotFound". */
gboolean fcctl_bus_is (const GError *error, const gchar *name);

/* Says ERROR; returns the exit code that goes with it. */
int fcctl_bus_fail (GError *error);

G_END_DECLS

#endif /* FCCTL_BUS_H */
