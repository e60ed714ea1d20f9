from pathlib import Path


def remove_forgotten():
    """Remove dumps whose readers have all ended, of the jobs that this run planned.

    Snakemake removes a temporary file as its last reader ends. A run that is killed between
    the two forgets the file, and no later run has a job that would remove it. What a job made
    that was itself asked for stays, as Snakemake leaves it.
    """
    if workflow.storage_settings.notemp:
        return
    dag = workflow.dag
    forgotten = {
        path
        for job in dag.jobs - dag.targetjobs
        for path in job.output
        if path.flags.get("temp") and not dag.is_needed_tempfile(job, path)
    }
    for path in map(Path, forgotten - set(dag.targetfiles)):
        path.unlink(missing_ok=True)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()
