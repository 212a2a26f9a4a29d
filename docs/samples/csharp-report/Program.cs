// Counts the words of a text: a file as artifact, the numbers as output. Parameters: { "text": "…" }
using System.Text.Json.Nodes;

return await Jobyard.RunAsync(async job =>
{
    var parameter = (job.Parameters as JsonObject)?["text"] as JsonValue;
    if (parameter is null || !parameter.TryGetValue(out string? text))
    {
        throw new NonRetryableException("text: expected a text.");
    }

    var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
    var words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    for (var index = 0; index < words.Length; index++)
    {
        job.Stopping.ThrowIfCancellationRequested();
        if (index % 1_000 == 0) job.Progress((double)index / words.Length, $"Counted {index} of {words.Length} words");
        counts[words[index]] = counts.GetValueOrDefault(words[index]) + 1;
    }

    var lines = counts.Select(count => $"{count.Key}\t{count.Value}");
    await File.WriteAllLinesAsync(Path.Combine(job.OutputPath, "words.tsv"), lines, job.Stopping);
    job.Progress(1, "Wrote words.tsv");
    return new JsonObject { ["words"] = words.Length, ["different"] = counts.Count };
});
