#!/usr/bin/env python3
"""A PostgreSQL server of one's own for a test run: `server.py start FOLDER [OWNER]`, `stop|restart FOLDER`.

start: makes a database cluster in a fresh temporary directory, on a free loopback port, and leaves in FOLDER
`url` (of its database `postgres`) and `data`, or `skip` with a sentence where there is no PostgreSQL. The server ends
with the process OWNER, by default whoever called, however that ends: a process of ours waits for it (`watch`).
restart ends it without ceremony, as a crash would, and starts it on the same port. It syncs nothing unless asked
to: for tests only.
"""
import glob
import os
import pwd
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time


def programs():
    """The folder of initdb and pg_ctl, of the newest version there is."""
    found = sorted(glob.glob('/usr/lib/postgresql/*/bin/pg_ctl'), key=lambda p: int(p.split('/')[4]))
    if found:
        return os.path.dirname(found[-1])
    on_path = shutil.which('pg_ctl')
    return os.path.dirname(os.path.realpath(on_path)) if on_path else None


def unprivileged():
    """PostgreSQL refuses to run as root: then as whom, or None."""
    if os.geteuid() != 0:
        return None
    for name in ('postgres', 'nobody'):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    sys.exit('server.py: no user to run PostgreSQL as')


def run(command, user):
    if user is not None:
        command = ['setpriv', f'--reuid={user.pw_uid}', f'--regid={user.pw_gid}', '--clear-groups'] + command
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, cwd='/', check=False)
    if done.returncode != 0:
        sys.exit(f'server.py: {" ".join(command)}:\n{done.stdout}')


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def leave(folder, name, text):
    with open(os.path.join(folder, name), 'w', encoding='utf-8') as out:
        out.write(text)


def read(folder, name):
    try:
        with open(os.path.join(folder, name), encoding='utf-8') as file:
            return file.read()
    except FileNotFoundError:
        return None


def launch(bin_folder, data, user):
    run([f'{bin_folder}/pg_ctl', '-D', data, '-l', f'{data}/log', '-w', '-t', '120', 'start'], user)


def start(folder, durable=False, owner=None):
    os.makedirs(folder, exist_ok=True)
    if read(folder, 'data'):
        stop(folder)
    bin_folder = programs()
    if bin_folder is None:
        leave(folder, 'skip', 'no PostgreSQL is installed (Debian: apt-get install postgresql)')
        print('server.py: SKIPPING every test of the PostgreSQL journal: no PostgreSQL is installed')
        return
    user = unprivileged()
    root = tempfile.mkdtemp(prefix='flotilla_postgres_')
    if user is not None:
        os.chown(root, user.pw_uid, user.pw_gid)
    data = f'{root}/data'
    run([f'{bin_folder}/initdb', '-D', data, '-U', 'flotilla', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
        user)
    for _ in range(5):  # somebody may take the port first
        port = free_port()
        with open(f'{data}/postgresql.auto.conf', 'w', encoding='utf-8') as conf:
            conf.write(f"""listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = {'on' if durable else 'off'}
full_page_writes = {'on' if durable else 'off'}
max_connections = 300
shared_buffers = 64MB
""")
        try:
            launch(bin_folder, data, user)
            break
        except SystemExit as error:
            print(error, file=sys.stderr)
            time.sleep(0.2)
    else:
        sys.exit('server.py: PostgreSQL does not start')
    leave(folder, 'data', root)
    leave(folder, 'url', f'postgres://flotilla@127.0.0.1:{port}/postgres')
    subprocess.Popen([sys.executable, os.path.abspath(__file__), 'watch', folder, str(owner or os.getpid())],
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd='/',
                     start_new_session=True)


def watch(folder, owner):
    """Until the owner has ended: then the server is stopped, if nobody else has done so."""
    root = read(folder, 'data')
    try:
        gone = select.poll()
        gone.register(os.pidfd_open(owner), select.POLLIN)
        while not gone.poll(1000):
            if read(folder, 'data') != root:
                return
    except ProcessLookupError:
        pass  # it ended first
    if read(folder, 'data') == root:
        stop(folder)
        try:
            os.rmdir(folder)  # where it was made for this server alone
        except OSError:
            pass


def halt(folder):
    root = read(folder, 'data')
    if root:
        run([f'{programs()}/pg_ctl', '-D', f'{root}/data', '-m', 'immediate', '-w', 'stop'], unprivileged())
    return root


def stop(folder):
    root = halt(folder)
    if root:
        shutil.rmtree(root, ignore_errors=True)
    for name in ('data', 'url', 'skip'):
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))


def restart(folder):
    root = halt(folder)
    launch(programs(), f'{root}/data', unprivileged())


if __name__ == '__main__':
    VERB, FOLDER = sys.argv[1], os.path.abspath(sys.argv[2])
    if VERB == 'start':
        start(FOLDER, owner=int(sys.argv[3]) if len(sys.argv) > 3 else os.getppid())
    elif VERB == 'watch':
        watch(FOLDER, int(sys.argv[3]))
    else:
        {'stop': stop, 'restart': restart}[VERB](FOLDER)
