/* framecache: buses of a test's own, and a registry that does what it is told
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_GST_REGISTRY_H
#define FC_GST_REGISTRY_H

#include <gio/gio.h>

#include "fc-gst-test.h"

/* Where DBUS_SESSION_BUS_ADDRESS and DBUS_SYSTEM_BUS_ADDRESS are to point to,
 * whether or not there is a bus yet. For tcase_add_checked_fixture (), after
 * fct_set_up (). */
void fct_bus_set_up (void);

/* A bus, until it is killed. */
GPid fct_bus_start (GBusType bus);

/* What an activated registry is: COMMAND, which is found and run by the bus
 * that is started next. */
void fct_bus_activates (const gchar *command);

/* A registry on a bus: opens the slots of FC_DIR for whoever asks. */
typedef struct _FctRegistry FctRegistry;

typedef enum
{
  FCT_OPENS,      /* what there is; else org.framecache.Error.NotFound */
  FCT_OBSERVES,   /* the ring alone */
  FCT_REFUSES,    /* org.framecache.Error.NotPermitted */
  FCT_IS_SILENT,  /* until it is told something else */
  FCT_GIVES_PIPE, /* which is no ring */
  FCT_GIVES_NONE  /* an answer without a descriptor */
} FctRegistryMode;

#define FCT_REFUSAL "Slot cam0 is its writer's alone."

/* Comes back when its name is on BUS. */
FctRegistry *fct_registry_start (GBusType bus, FctRegistryMode mode);
/* On a session bus that is started for it. */
FctRegistry *fct_registry_begin (FctRegistryMode mode);
/* As if it was killed: nothing more is said. */
void fct_registry_kill (FctRegistry *self);

/* Which directory it says that its slots are in; at first that of
 * fct_elsewhere_new (). */
void fct_registry_set_directory (FctRegistry *self, const gchar *directory);
void fct_registry_set_mode (FctRegistry *self, FctRegistryMode mode);
/* How often it was asked, has answered, and has opened a slot. */
guint fct_registry_asked (FctRegistry *self);
guint fct_registry_answered (FctRegistry *self);
guint fct_registry_opened (FctRegistry *self);
/* InterfacesAdded for SLOT. */
void fct_registry_announce (FctRegistry *self, const gchar *slot);

/* Values of fcsrc's attach. */
enum
{
  FCT_AUTO,
  FCT_DIRECTORY,
  FCT_BUS
};

/* fcsrc slot=cam0 timestamps=stream, with a property more, or NULL, whose
 * directory is not there. */
GstElement *fct_elsewhere_new (gint attach, const gchar *property,
                               const gchar *value);
GstHarness *fct_elsewhere_reader (gint attach);
/* It is attached, and has taken all there is. */
void fct_wait_attached (void);

/* N small frames, the first of them number FIRST. */
void fct_push_some (GstHarness *sink, guint first, guint n);
void fct_pull_some (GstHarness *src, guint first, guint n);
void fct_lost_nothing (GstHarness *src);

/* How many of this process's threads are called NAME. */
guint fct_count_threads (const gchar *name);

#endif /* FC_GST_REGISTRY_H */
