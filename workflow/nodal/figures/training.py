"""Training curves."""

from matplotlib.ticker import MaxNLocator

from nodal.figures.style import COLUMN, panel_letters, plt, sns


def training(histories):
    """{seed: history} -> loss and test accuracy by epoch, a line per seed."""
    figure, axes = plt.subplots(1, 2, figsize=(1.9 * COLUMN, 0.75 * COLUMN))
    colours = sns.color_palette("colorblind", len(histories))
    for colour, (seed, history) in zip(colours, histories.items(), strict=True):
        axes[0].plot(history.epoch, history.train_loss, color=colour, label=f"seed {seed}")
        measured = history.dropna(subset=["test_accuracy"])
        axes[1].plot(measured.epoch, measured.test_accuracy, color=colour, marker=".")
    axes[0].set_ylabel("training loss (with augmentation)")
    axes[1].set_ylabel("test accuracy")
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel_letters(axes)
    if len(histories) and not all(history.empty for history in histories.values()):
        axes[0].legend()
    else:
        axes[0].text(0.5, 0.5, "weights loaded,\nnot trained here", ha="center",
                     transform=axes[0].transAxes)  # fmt: skip
    return figure
