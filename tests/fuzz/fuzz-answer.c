/* What a registry, or what says that it is one, answers to fcsrc: any value,
 * any descriptors, any error.
 *
 * The input is, twice, a byte that says what kind of an answer it is and how
 * many descriptors come with it, and the answer: to where its slots are, and to
 * a slot's opening.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <stdlib.h>
#include <unistd.h>

#include "bus.h"
#include "gstfcregistry.h"

#define DIRECTORY "/dev/shm/framecache"
/* Until what was sent has been closed too, in us; not reached. */
#define CLOSED_WITHIN (60 * G_USEC_PER_SEC)

static GDBusConnection *fcsrc, *registry;

/* Read by the thread that answers, while this one waits for it. */
static fuzz_t input;

static GVariant *
take_directory (fuzz_t *in)
{
  if (fuzz_byte (in) < 128)
    return g_variant_new ("(v)", g_variant_new_string (DIRECTORY));
  return g_variant_new ("(v)", bus_take_value (in));
}

static GVariant *
take_handles (fuzz_t *in)
{
  guint count = fuzz_byte (in) % 4;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("ah"));
  for (guint i = 0; i < count; i++)
    g_variant_builder_add (&builder, "h",
                           (gint32) (gint8) (fuzz_byte (in) - 2));
  return g_variant_new ("(@ah)", g_variant_builder_end (&builder));
}

static GDBusMessage *
take_error (fuzz_t *in, GDBusMessage *question)
{
  static const gchar *const names[] = {
    GST_FC_REGISTRY_NOT_FOUND,
    GST_FC_REGISTRY_NOT_PERMITTED,
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.example.Error",
  };
  guint which = fuzz_byte (in) % G_N_ELEMENTS (names);
  g_autofree gchar *text = bus_take_text (in);

  return g_dbus_message_new_method_error_literal (question, names[which], text);
}

static void
add_descriptors (GDBusMessage *answer, guint count)
{
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();

  for (guint i = 0; i < count; i++)
    {
      int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

      g_unix_fd_list_append (list, fd, NULL);
      close (fd);
    }
  if (count > 0)
    g_dbus_message_set_unix_fd_list (answer, list);
}

static GDBusMessage *
answer_to (GDBusMessage *question, fuzz_t *in)
{
  gboolean opening
      = g_str_equal (g_dbus_message_get_member (question), "OpenSlot");
  guint8 kind = fuzz_byte (in);
  GDBusMessage *answer;
  GVariant *body;

  if (kind % 8 == 0)
    return take_error (in, question);
  answer = g_dbus_message_new_method_reply (question);
  if (kind % 8 == 1)
    body = g_variant_new ("(@*)", bus_take_value (in));
  else
    body = opening ? take_handles (in) : take_directory (in);
  g_dbus_message_set_body (answer, body);
  add_descriptors (answer, kind >> 6);
  return answer;
}

/* What can not be sent, for it has handles of no descriptors, is an error. */
static void
send (GDBusConnection *connection, GDBusMessage *question, GDBusMessage *answer)
{
  g_autoptr (GDBusMessage) other = NULL;

  if (g_dbus_connection_send_message (
          connection, answer, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL))
    return;
  other = g_dbus_message_new_method_error_literal (question, "org.example.No",
                                                   "");
  g_dbus_connection_send_message (connection, other,
                                  G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

static GDBusMessage *
look_at (GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
         gpointer data)
{
  g_autoptr (GDBusMessage) answer = NULL;

  if (!incoming)
    return message;
  answer = answer_to (message, &input);
  send (connection, message, answer);
  g_object_unref (message);
  return NULL;
}

/* The number that the next descriptor will have: no other one was left open. */
static int
next_descriptor (void)
{
  int fd = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

  close (fd);
  return fd;
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  bus_connect (&fcsrc, &registry);
  g_dbus_connection_add_filter (registry, look_at, NULL, NULL);
  return 0;
}

static void
ask (void)
{
  g_autoptr (GError) error = NULL;
  int ring = -1, table = -1;

  if (gst_fc_registry_is_of (fcsrc, DIRECTORY, G_DBUS_CALL_FLAGS_NONE, &error)
      && gst_fc_registry_open_slot (fcsrc, "cam0", G_DBUS_CALL_FLAGS_NONE,
                                    &ring, &table, &error))
    {
      if (ring < 0 || ring == table)
        abort ();
      close (ring);
      if (table >= 0)
        close (table);
    }
  else if (error == NULL)
    abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  int before = next_descriptor ();
  gint64 end = g_get_monotonic_time () + CLOSED_WITHIN;

  input = (fuzz_t){ data, size };
  ask ();
  /* The sender closes its own when it is done with the message. */
  while (next_descriptor () != before)
    if (g_get_monotonic_time () > end)
      abort ();
    else
      g_thread_yield ();
  return 0;
}
