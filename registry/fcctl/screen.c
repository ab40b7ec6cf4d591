/* framecache: a terminal's whole screen
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "screen.h"

/* The alternate screen, no cursor, no line that goes on in the next one. */
#define ALTERNATE "\033[?1049h"
#define MODES "\033[?25l\033[?7l\033[H\033[2J"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
/* Shown at once, where the terminal knows how to. */
#define BEGIN_DRAW "\033[?2026h\033[H"
#define END_DRAW "\033[?2026l"

struct _FcctlScreen
{
  const FcctlScreenFuncs *funcs;
  gpointer user_data;
  gboolean keys; /* standard input is a terminal */
  struct termios before;
  sigset_t signals;
  sigset_t mask_before;
  int signal_fd;
  guint signal_source;
  guint key_source;
  int ended_by; /* the signal, or 0 */

  enum
  {
    PLAIN,
    ESCAPE,
    SEQUENCE
  } state; /* of reading keys */
  int parameter;
};

static void
put (const gchar *text, gsize size)
{
  while (size > 0)
    {
      ssize_t n = write (STDOUT_FILENO, text, size);

      if (n < 0 && errno != EINTR)
        return; /* a terminal that is gone: SIGHUP, or its end, comes */
      if (n > 0)
        {
          text += n;
          size -= (gsize) n;
        }
    }
}

/* No lines, no echo, and no Ctrl-S: with the signals blocked nobody could end
 * a program that waits for its terminal. Signals from keys as ever. */
static void
take_terminal (FcctlScreen *screen)
{
  struct termios mode = screen->before;

  mode.c_iflag &= (tcflag_t) ~IXON;
  mode.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
  mode.c_cc[VMIN] = 1;
  mode.c_cc[VTIME] = 0;
  if (screen->keys)
    tcsetattr (STDIN_FILENO, TCSANOW, &mode);
  put (MODES, strlen (MODES));
}

static void
enter (FcctlScreen *screen)
{
  if (screen->keys && tcgetattr (STDIN_FILENO, &screen->before) < 0)
    screen->keys = FALSE;
  /* Once: where the cursor was is saved with it. */
  put (ALTERNATE, strlen (ALTERNATE));
  take_terminal (screen);
}

static void
leave (FcctlScreen *screen)
{
  put (LEAVE, strlen (LEAVE));
  if (screen->keys)
    tcsetattr (STDIN_FILENO, TCSADRAIN, &screen->before);
}

/* Keys --------------------------------------------------------------------- */

/* The key that a sequence ends with, or 0. */
static int
sequence_key (int last, int parameter)
{
  switch (last)
    {
    case 'A':
      return FCCTL_KEY_UP;
    case 'B':
      return FCCTL_KEY_DOWN;
    case 'H':
      return FCCTL_KEY_HOME;
    case 'F':
      return FCCTL_KEY_END;
    case '~':
      return parameter == 5                     ? FCCTL_KEY_PAGE_UP
             : parameter == 6                   ? FCCTL_KEY_PAGE_DOWN
             : parameter == 1 || parameter == 7 ? FCCTL_KEY_HOME
             : parameter == 4 || parameter == 8 ? FCCTL_KEY_END
                                                : 0;
    default:
      return 0;
    }
}

/* The key that byte C makes whole, or 0. */
static int
take_byte (FcctlScreen *screen, guchar c)
{
  if (c == '\033')
    screen->state = ESCAPE;
  else if (screen->state == ESCAPE)
    {
      screen->state = c == '[' || c == 'O' ? SEQUENCE : PLAIN;
      screen->parameter = 0;
    }
  else if (screen->state == PLAIN)
    return c;
  else if (g_ascii_isdigit (c))
    screen->parameter = (screen->parameter * 10 + c - '0') % 1000;
  else if (c >= 0x40)
    {
      screen->state = PLAIN;
      return sequence_key (c, screen->parameter);
    }
  return 0;
}

static gboolean
on_keys (gint fd, GIOCondition condition, gpointer user_data)
{
  FcctlScreen *screen = user_data;
  guchar bytes[256];
  ssize_t n = read (fd, bytes, sizeof bytes);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return G_SOURCE_CONTINUE;
  for (ssize_t i = 0; i < n; i++)
    {
      int key = take_byte (screen, bytes[i]);

      if (key != 0)
        screen->funcs->key (key, screen->user_data);
    }
  if (n > 0)
    return G_SOURCE_CONTINUE;
  screen->key_source = 0;
  screen->funcs->quit (screen->user_data);
  return G_SOURCE_REMOVE;
}

/* Signals ------------------------------------------------------------------ */

/* Let SIGNAL do what it does to a program that does not know of it. */
static void
let_through (int signal)
{
  sigset_t set, before;

  sigemptyset (&set);
  sigaddset (&set, signal);
  raise (signal);
  pthread_sigmask (SIG_UNBLOCK, &set, &before);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
}

static void
on_signal (FcctlScreen *screen, int signal)
{
  switch (signal)
    {
    case SIGTSTP:
      leave (screen);
      let_through (SIGTSTP);
      enter (screen);
      screen->funcs->draw (screen->user_data);
      break;
    case SIGCONT:
      /* Perhaps after a stop that nobody sees coming: whoever had the terminal
       * meanwhile left it in some state. */
      take_terminal (screen);
      screen->funcs->draw (screen->user_data);
      break;
    case SIGWINCH:
      screen->funcs->draw (screen->user_data);
      break;
    default:
      screen->ended_by = signal;
      screen->funcs->quit (screen->user_data);
    }
}

static gboolean
on_signals (gint fd, GIOCondition condition, gpointer user_data)
{
  struct signalfd_siginfo info;

  while (read (fd, &info, sizeof info) == sizeof info)
    on_signal (user_data, (int) info.ssi_signo);
  return G_SOURCE_CONTINUE;
}

static void
take_signals (FcctlScreen *screen)
{
  static const int taken[]
      = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH };

  sigemptyset (&screen->signals);
  for (gsize i = 0; i < G_N_ELEMENTS (taken); i++)
    sigaddset (&screen->signals, taken[i]);
  pthread_sigmask (SIG_BLOCK, &screen->signals, &screen->mask_before);
  screen->signal_fd
      = signalfd (-1, &screen->signals, SFD_CLOEXEC | SFD_NONBLOCK);
  screen->signal_source
      = g_unix_fd_add (screen->signal_fd, G_IO_IN, on_signals, screen);
}

/* -------------------------------------------------------------------------- */

FcctlScreen *
fcctl_screen_new (const FcctlScreenFuncs *funcs, gpointer user_data)
{
  FcctlScreen *screen = g_new0 (FcctlScreen, 1);

  screen->funcs = funcs;
  screen->user_data = user_data;
  screen->keys = isatty (STDIN_FILENO);
  take_signals (screen);
  enter (screen);
  if (screen->keys)
    screen->key_source
        = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, on_keys, screen);
  return screen;
}

void
fcctl_screen_size (FcctlScreen *screen, guint *columns, guint *lines)
{
  struct winsize size = { 0 };

  ioctl (STDOUT_FILENO, TIOCGWINSZ, &size);
  *columns = size.ws_col > 0 ? size.ws_col : 80;
  *lines = size.ws_row > 0 ? size.ws_row : 24;
}

void
fcctl_screen_draw (FcctlScreen *screen, GPtrArray *lines)
{
  g_autoptr (GString) out = g_string_new (BEGIN_DRAW);
  guint columns, height;

  fcctl_screen_size (screen, &columns, &height);
  for (guint i = 0; i < MIN (lines->len, height); i++)
    {
      /* What the line had is cleared before it is written: behind a line that
       * ends in the last column there is nothing to clear from. */
      g_string_append_printf (out, "%s\033[K%s", i > 0 ? "\r\n" : "",
                              (const gchar *) g_ptr_array_index (lines, i));
    }
  if (lines->len < height)
    g_string_append (out, "\r\n\033[J");
  g_string_append (out, END_DRAW);
  put (out->str, out->len);
}

void
fcctl_screen_free (FcctlScreen *screen)
{
  if (screen == NULL)
    return;
  leave (screen);
  if (screen->key_source != 0)
    g_source_remove (screen->key_source);
  g_source_remove (screen->signal_source);
  close (screen->signal_fd);
  if (screen->ended_by != 0 && screen->ended_by != SIGINT)
    let_through (screen->ended_by);
  pthread_sigmask (SIG_SETMASK, &screen->mask_before, NULL);
  g_free (screen);
}
