/* framecache: a slot by way of the registry on the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Signals tell when to ask again. What they do not tell of (a bus that comes, a
 * ring that was replaced while it was handed over) is found out by asking, soon
 * at first and then once a second; where they should, or where there is no
 * registry, still now and then.
 */
#include <string.h>
#include <unistd.h>

#include "gstfcbus.h"
#include "gstfcregistry.h"

GST_DEBUG_CATEGORY_EXTERN (gst_fc_src_debug);
#define GST_CAT_DEFAULT gst_fc_src_debug

#define RETRY_FIRST (20 * G_TIME_SPAN_MILLISECOND)
#define RETRY_MOST (1 * G_TIME_SPAN_SECOND)
#define RETRY_SELDOM (10 * G_TIME_SPAN_SECOND)
/* Of a sentence from the bus, bytes. */
#define SENTENCE_MAX 1000

static const struct
{
  GBusType type;
  const gchar *name;
} buses[] = {
  { G_BUS_TYPE_SESSION, "session bus" },
  { G_BUS_TYPE_SYSTEM, "system bus" },
};

#define N_BUSES G_N_ELEMENTS (buses)

/* One of them; the thread's. */
typedef struct
{
  GDBusConnection *connection;
  gboolean closed;  /* the connection, and that was told */
  gboolean changed; /* a signal came: ask */
  gboolean missed;  /* its registry said that there is no such slot */
  gint64 due;       /* when to ask again */
  gint64 delay;     /* after that, us */
} GstFcBusLine;

struct _GstFcBus
{
  gatomicrefcount refs; /* the owner's and the thread's */
  gchar *slot;
  gchar *path;      /* of its object */
  gchar *directory; /* that it is to be in, or NULL */
  gboolean activate;
  GMainContext *context;
  GCancellable *cancellable; /* ends the thread */

  GstFcBusLine lines[N_BUSES];

  GMutex lock;
  GstFcBusFunc func; /* called with it; NULL once the owner is gone */
  gpointer user_data;
  gboolean asked;
  gboolean answered; /* and that is to be taken */
  gboolean resting;  /* not to ask on */
  GstFcBusAnswer answer;
  gchar *said[N_BUSES];
};

void
gst_fc_bus_answer_clear (GstFcBusAnswer *answer)
{
  if (answer->ring_fd >= 0)
    close (answer->ring_fd);
  if (answer->table_fd >= 0)
    close (answer->table_fd);
  g_free (answer->refusal);
  *answer = (GstFcBusAnswer) GST_FC_BUS_ANSWER_INIT;
}

/* A copy of what may be anything. */
static gchar *
sentence (const gchar *text)
{
  return g_utf8_make_valid (text, (gssize) MIN (strlen (text), SENTENCE_MAX));
}

/* What is remembered of bus I. */
static void
note (GstFcBus *self, guint i, const gchar *who, const gchar *text)
{
  gchar *valid, *said;

  if (g_cancellable_is_cancelled (self->cancellable))
    return;
  valid = sentence (text);
  said = g_strdup_printf ("%s%s: %s", who, buses[i].name, valid);
  g_free (valid);
  g_mutex_lock (&self->lock);
  if (g_strcmp0 (said, self->said[i]) != 0)
    GST_INFO ("slot %s, %s", self->slot, said);
  g_free (self->said[i]);
  self->said[i] = said;
  g_mutex_unlock (&self->lock);
}

/* Connecting ----------------------------------------------------------- */

static void
on_signal (GDBusConnection *connection, const gchar *sender, const gchar *path,
           const gchar *interface, const gchar *signal, GVariant *parameters,
           gpointer user_data)
{
  GstFcBusLine *line = user_data;

  line->changed = TRUE;
}

/* Of whatever slot. */
static void
on_interfaces_added (GDBusConnection *connection, const gchar *sender,
                     const gchar *path, const gchar *interface,
                     const gchar *signal, GVariant *parameters,
                     gpointer user_data)
{
  GstFcBus *self = user_data;
  const gchar *added;
  guint i;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(oa{sa{sv}})")))
    return;
  g_variant_get_child (parameters, 0, "&o", &added);
  for (i = 0; i < N_BUSES; i++)
    if (self->lines[i].connection == connection)
      self->lines[i].changed |= g_str_equal (added, self->path);
}

/* Before the first question, so that no answer can be out of date unnoticed. */
static void
subscribe (GstFcBus *self, GstFcBusLine *line)
{
  g_dbus_connection_signal_subscribe (
      line->connection, "org.freedesktop.DBus", "org.freedesktop.DBus",
      "NameOwnerChanged", "/org/freedesktop/DBus", GST_FC_REGISTRY_NAME,
      G_DBUS_SIGNAL_FLAGS_NONE, on_signal, line, NULL);
  g_dbus_connection_signal_subscribe (line->connection, GST_FC_REGISTRY_NAME,
                                      "org.freedesktop.DBus.ObjectManager",
                                      "InterfacesAdded", GST_FC_REGISTRY_PATH,
                                      NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                      on_interfaces_added, self, NULL);
  g_dbus_connection_signal_subscribe (
      line->connection, GST_FC_REGISTRY_NAME, "org.freedesktop.DBus.Properties",
      "PropertiesChanged", self->path, GST_FC_REGISTRY_SLOT_INTERFACE,
      G_DBUS_SIGNAL_FLAGS_NONE, on_signal, line, NULL);
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error,
           gpointer user_data)
{
  GstFcBusLine *line = user_data;

  line->closed = TRUE;
}

/* It is there to end an iteration. */
static gboolean
on_timeout (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

static void
iterate (GstFcBus *self, gint64 at_most)
{
  GSource *timer = g_timeout_source_new ((guint) (at_most / 1000) + 1);

  g_source_set_callback (timer, on_timeout, NULL, NULL);
  g_source_attach (timer, self->context);
  g_main_context_iteration (self->context, TRUE);
  g_source_destroy (timer);
  g_source_unref (timer);
}

/* What is on its way to the context holds the connection, which holds the
 * context: the last of it is that the connection was closed. */
static void
disconnect (GstFcBus *self, GstFcBusLine *line)
{
  gint64 end = g_get_monotonic_time () + G_TIME_SPAN_SECOND;

  if (line->connection == NULL)
    return;
  (void) g_dbus_connection_close_sync (line->connection, NULL, NULL);
  while (!line->closed && g_get_monotonic_time () < end)
    iterate (self, RETRY_FIRST);
  while (g_main_context_iteration (self->context, FALSE))
    ;
  g_signal_handlers_disconnect_by_data (line->connection, line);
  g_clear_object (&line->connection);
}

static gboolean
connect_to (GstFcBus *self, guint i)
{
  GstFcBusLine *line = &self->lines[i];
  GError *error = NULL;

  if (line->connection != NULL
      && !g_dbus_connection_is_closed (line->connection))
    return TRUE;
  disconnect (self, line);
  line->connection
      = gst_fc_registry_connect (buses[i].type, self->cancellable, &error);
  if (line->connection == NULL)
    {
      note (self, i, "", error->message);
      g_error_free (error);
      return FALSE;
    }
  line->closed = FALSE;
  g_signal_connect (line->connection, "closed", G_CALLBACK (on_closed), line);
  subscribe (self, line);
  return TRUE;
}

/* Asking --------------------------------------------------------------- */

static void
give (GstFcBus *self, const GstFcBusAnswer *answer)
{
  g_mutex_lock (&self->lock);
  self->answer = *answer;
  self->answered = self->resting = TRUE;
  g_mutex_unlock (&self->lock);
}

/* There is nobody to ask. Who only may need a bus keeps no connection to it: a
 * system's bus does not take many of them. */
static void
no_registry (GstFcBus *self, guint i)
{
  note (self, i, "", "no registry runs there");
  if (!self->activate)
    disconnect (self, &self->lines[i]);
}

/* TRUE where that is the answer. *SELDOM: a signal will tell of another one. */
static gboolean
failed (GstFcBus *self, guint i, GError *error, gboolean *seldom)
{
  GstFcBusAnswer refused = GST_FC_BUS_ANSWER_INIT;
  gchar *name = g_dbus_error_get_remote_error (error);
  gboolean missed = g_strcmp0 (name, GST_FC_REGISTRY_NOT_FOUND) == 0;

  g_dbus_error_strip_remote_error (error);
  *seldom = TRUE;
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    {
      no_registry (self, i);
    }
  else
    {
      note (self, i, "registry on the ", error->message);
      *seldom
          = missed || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
      self->lines[i].missed |= missed;
    }
  if (g_strcmp0 (name, GST_FC_REGISTRY_NOT_PERMITTED) == 0)
    {
      refused.refusal = sentence (error->message);
      give (self, &refused);
    }
  g_free (name);
  return refused.refusal != NULL;
}

/* TRUE where there is an answer. */
static gboolean
ask (GstFcBus *self, guint i, gboolean *seldom)
{
  GDBusCallFlags flags = self->activate ? G_DBUS_CALL_FLAGS_NONE
                                        : G_DBUS_CALL_FLAGS_NO_AUTO_START;
  GDBusConnection *connection = self->lines[i].connection;
  GstFcBusAnswer opened = GST_FC_BUS_ANSWER_INIT;
  GError *error = NULL;
  gboolean answered;

  if ((self->directory == NULL
       || gst_fc_registry_is_of (connection, self->directory, flags, &error))
      && gst_fc_registry_open_slot (connection, self->slot, flags,
                                    &opened.ring_fd, &opened.table_fd, &error))
    {
      opened.waited = self->lines[i].missed;
      give (self, &opened);
      return TRUE;
    }
  answered = failed (self, i, error, seldom);
  g_error_free (error);
  return answered;
}

/* How long until it is time to ask bus I, us: 0 after a signal. */
static gint64
until_due (GstFcBus *self, guint i)
{
  const GstFcBusLine *line = &self->lines[i];

  if (line->changed
      || (line->connection != NULL
          && g_dbus_connection_is_closed (line->connection)))
    return 0;
  return MAX (line->due - g_get_monotonic_time (), 0);
}

static gboolean
ask_line (GstFcBus *self, guint i)
{
  GstFcBusLine *line = &self->lines[i];
  gboolean seldom = FALSE, answered;

  if (line->changed)
    line->delay = RETRY_FIRST;
  line->changed = FALSE;
  answered = connect_to (self, i) && ask (self, i, &seldom);
  line->due = g_get_monotonic_time () + line->delay;
  line->delay = MIN (2 * line->delay, seldom ? RETRY_SELDOM : RETRY_MOST);
  return answered;
}

/* Each in turn whose time has come, until one has an answer. */
static void
ask_all (GstFcBus *self)
{
  gboolean answered = FALSE, first;
  guint i;

  for (i = 0; i < N_BUSES && !answered; i++)
    {
      if (g_cancellable_is_cancelled (self->cancellable))
        return;
      answered = until_due (self, i) == 0 && ask_line (self, i);
    }
  g_mutex_lock (&self->lock);
  first = !self->asked;
  self->asked = TRUE;
  if ((answered || first) && self->func != NULL)
    self->func (answered, self->user_data);
  g_mutex_unlock (&self->lock);
}

/* The thread ----------------------------------------------------------- */

static gboolean
is_resting (GstFcBus *self)
{
  gboolean resting;

  g_mutex_lock (&self->lock);
  resting = self->resting;
  g_mutex_unlock (&self->lock);
  return resting;
}

/* Until there is a bus to ask, and no answer to be taken. That a connection was
 * closed is looked for. */
static void
wait_to_ask (GstFcBus *self)
{
  gint64 left = 1;
  guint i;

  while (left > 0 && !g_cancellable_is_cancelled (self->cancellable))
    {
      iterate (self, left);
      left = RETRY_MOST;
      for (i = 0; i < N_BUSES && !is_resting (self); i++)
        left = MIN (left, until_due (self, i));
    }
}

static void
bus_unref (GstFcBus *self)
{
  guint i;

  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  gst_fc_bus_answer_clear (&self->answer);
  for (i = 0; i < N_BUSES; i++)
    g_free (self->said[i]);
  g_mutex_clear (&self->lock);
  g_object_unref (self->cancellable);
  g_main_context_unref (self->context);
  g_free (self->directory);
  g_free (self->path);
  g_free (self->slot);
  g_free (self);
}

static gpointer
bus_thread (gpointer user_data)
{
  GstFcBus *self = user_data;
  guint i;

  g_main_context_push_thread_default (self->context);
  while (!g_cancellable_is_cancelled (self->cancellable))
    {
      ask_all (self);
      wait_to_ask (self);
    }
  for (i = 0; i < N_BUSES; i++)
    disconnect (self, &self->lines[i]);
  g_main_context_pop_thread_default (self->context);
  bus_unref (self);
  return NULL;
}

GstFcBus *
gst_fc_bus_new (const gchar *slot, const gchar *directory, gboolean activate,
                GstFcBusFunc func, gpointer user_data)
{
  GstFcBus *self = g_new0 (GstFcBus, 1);
  guint i;

  self->slot = g_strdup (slot);
  self->path = gst_fc_registry_slot_path (slot);
  self->directory = g_strdup (directory);
  self->activate = activate;
  self->func = func;
  self->user_data = user_data;
  self->context = g_main_context_new ();
  self->cancellable = g_cancellable_new ();
  self->answer = (GstFcBusAnswer) GST_FC_BUS_ANSWER_INIT;
  for (i = 0; i < N_BUSES; i++)
    self->lines[i].delay = RETRY_FIRST;
  g_mutex_init (&self->lock);
  g_atomic_ref_count_init (&self->refs);
  g_atomic_ref_count_inc (&self->refs);
  g_thread_unref (g_thread_new ("fc-bus", bus_thread, self));
  return self;
}

void
gst_fc_bus_free (GstFcBus *self)
{
  if (self == NULL)
    return;
  g_mutex_lock (&self->lock);
  self->func = NULL;
  g_mutex_unlock (&self->lock);
  g_cancellable_cancel (self->cancellable);
  g_main_context_wakeup (self->context);
  bus_unref (self);
}

/* What was said ----------------------------------------------------------- */

gboolean
gst_fc_bus_take (GstFcBus *self, GstFcBusAnswer *answer)
{
  gboolean answered;

  g_mutex_lock (&self->lock);
  answered = self->answered;
  if (answered)
    {
      *answer = self->answer;
      self->answer = (GstFcBusAnswer) GST_FC_BUS_ANSWER_INIT;
      self->answered = FALSE;
    }
  g_mutex_unlock (&self->lock);
  return answered;
}

void
gst_fc_bus_go_on (GstFcBus *self)
{
  g_mutex_lock (&self->lock);
  self->resting = FALSE;
  g_mutex_unlock (&self->lock);
  g_main_context_wakeup (self->context);
}

gchar *
gst_fc_bus_describe (GstFcBus *self)
{
  GString *text = g_string_new (NULL);
  guint i;

  g_mutex_lock (&self->lock);
  for (i = 0; i < N_BUSES; i++)
    if (self->said[i] != NULL)
      g_string_append_printf (text, "%s%s", text->len > 0 ? "; " : "",
                              self->said[i]);
  g_mutex_unlock (&self->lock);
  return g_string_free (text, FALSE);
}
