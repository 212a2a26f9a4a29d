// What a C# job needs from Jobyard: parameters, progress, result, stop. Copy this file into your project.
//
//     return await Jobyard.RunAsync(async job =>
//     {
//         job.Progress(0.5, "Half way");
//         await DoTheWorkAsync(job.Stopping);
//         return new JsonObject { ["rows"] = 3 };
//     });
//
// It needs .NET 8 or newer and nothing else. What the program writes to Console goes to the job's log.
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

/// <summary>Throw it when another try cannot succeed, for example because a parameter is wrong.</summary>
public sealed class NonRetryableException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>The request, and the tools of the running job. A test creates one with the properties that it needs.</summary>
public sealed class Job
{
    private const int ProgressTextMax = 500;

    /// <summary>What the submitter sent, parsed from JSON. Null: nothing.</summary>
    public JsonNode? Parameters { get; init; }

    /// <summary>What the tenant has given to the package: settings and secrets by name.</summary>
    public JsonNode? Settings { get; init; }

    /// <summary>The unpacked package: program and data files.</summary>
    public string PackagePath { get; init; } = ".";

    /// <summary>An empty folder for temporary files: the current directory.</summary>
    public string WorkingPath { get; init; } = ".";

    /// <summary>Files here become artifacts, also those of a failed job.</summary>
    public string OutputPath { get; init; } = ".";

    /// <summary>Identifies the job everywhere. A job can run more than once: key outside effects by it.</summary>
    public string JobId { get; init; } = "";

    public string BatchId { get; init; } = "";

    public string TenantName { get; init; } = "";

    public string JobName { get; init; } = "";

    public string JobType { get; init; } = "";

    public string WorkerId { get; init; } = "";

    /// <summary>Counts tries that ended with a failure of the job, from 1.</summary>
    public int Attempt { get; init; } = 1;

    /// <summary>How often the system interrupted this job before this try.</summary>
    public int Interruption { get; init; }

    /// <summary>Different for every start of the job. Fence outside effects with it.</summary>
    public string ClaimId { get; init; } = "";

    /// <summary>For runs of a timer: grows with each start of the timer.</summary>
    public int? Fence { get; init; }

    /// <summary>The W3C traceparent of this try, if it is traced.</summary>
    public string? Trace { get; init; }

    /// <summary>
    /// Canceled when the job must stop: it was canceled, its time is over, or its worker shuts down. Pass it on. The
    /// process is killed ten seconds later.
    /// </summary>
    public CancellationToken Stopping { get; init; }

    /// <summary>Reports a fraction from 0 to 1, and what the job does now.</summary>
    public void Progress(double fraction, string text = "")
    {
        var number = Math.Clamp(fraction, 0, 1).ToString("0.000", CultureInfo.InvariantCulture);
        var words = text.Length <= ProgressTextMax ? text : text[..ProgressTextMax];
        Console.Out.WriteLine($"::progress {number} {Jobyard.InOneLine(words)}".TrimEnd());
    }
}

public static class Jobyard
{
    private const int DoNotRetry = 65;
    private const int Stopped = 128 + 15;

    /// <summary>
    /// Runs the job of this process and returns the exit code of the program. What `work` returns becomes the output;
    /// null: no output. An exception fails the job. Its stack is written to the job's log, and its message becomes the
    /// message of the failure.
    /// </summary>
    public static async Task<int> RunAsync(Func<Job, Task<JsonNode?>> work)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        using var stopping = new CancellationTokenSource();
        using var registration = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            // The program ends itself, after it has cleaned up.
            context.Cancel = true;
            _ = stopping.CancelAsync();
        });
        try
        {
            var output = await work(JobOfThisProcess(stopping.Token));
            if (output is not null) WriteResult(output);
            return 0;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return Stopped;
        }
        catch (Exception error)
        {
            Explain(error);
            return error is NonRetryableException ? DoNotRetry : 1;
        }
    }

    /// <summary>Text without line breaks and other runs of white space.</summary>
    internal static string InOneLine(string text) =>
        string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static Job JobOfThisProcess(CancellationToken stopping)
    {
        var file = Environment.GetEnvironmentVariable("JOBYARD_PARAMETERS_FILE")
            ?? throw new NonRetryableException("This program is a job. Run it with `jobyard run`.");
        var here = Environment.CurrentDirectory;
        return new Job
        {
            Parameters = JsonNode.Parse(File.ReadAllText(file)),
            // A package that declares no settings has no file.
            Settings = Environment.GetEnvironmentVariable("JOBYARD_SETTINGS_FILE") is string settings
                ? JsonNode.Parse(File.ReadAllText(settings))
                : null,
            PackagePath = Variable("PACKAGE_PATH", here),
            WorkingPath = Variable("WORKING_PATH", here),
            OutputPath = Variable("OUTPUT_PATH", here),
            JobId = Variable("JOB_ID"),
            BatchId = Variable("BATCH_ID"),
            TenantName = Variable("TENANT_NAME"),
            JobName = Variable("JOB_NAME"),
            JobType = Variable("JOB_TYPE"),
            WorkerId = Variable("WORKER_ID"),
            Attempt = int.Parse(Variable("ATTEMPT", "1"), CultureInfo.InvariantCulture),
            Interruption = int.Parse(Variable("INTERRUPTION", "0"), CultureInfo.InvariantCulture),
            ClaimId = Variable("CLAIM_ID"),
            Fence = int.TryParse(Variable("FENCE"), CultureInfo.InvariantCulture, out var fence) ? fence : null,
            Trace = Environment.GetEnvironmentVariable("TRACEPARENT"),
            Stopping = stopping,
        };
    }

    private static string Variable(string name, string otherwise = "") =>
        Environment.GetEnvironmentVariable($"JOBYARD_{name}") ?? otherwise;

    private static void WriteResult(JsonNode output)
    {
        string text;
        try
        {
            text = output.ToJsonString();
        }
        // A number that is none, or a value of a type without a JSON form.
        catch (Exception error) when (error is ArgumentException or NotSupportedException or JsonException)
        {
            throw new NonRetryableException($"JSON cannot hold the output: {error.Message}", error);
        }
        var file = Environment.GetEnvironmentVariable("JOBYARD_RESULT_FILE")
            ?? throw new InvalidOperationException("JOBYARD_RESULT_FILE is not set.");
        // A killed job leaves no half result.
        File.WriteAllText($"{file}.partial", text);
        File.Move($"{file}.partial", file);
    }

    private static void Explain(Exception error)
    {
        var isRefusal = error is NonRetryableException;
        if (!isRefusal || error.InnerException is not null) Console.Error.WriteLine(error);
        // The last line on stderr becomes the message of the failure.
        Console.Error.WriteLine(InOneLine(isRefusal ? error.Message : $"{error.GetType().Name}: {error.Message}"));
    }
}
