import MigrationModel
import TestSupport
import Testing

/// What commands print and end with, for inputs and conditions that go wrong, as the files in
/// `Transcripts` say.
@Suite(.serialized) struct TranscriptTests {
    /// All, or those that `LIVEMIG_TRANSCRIPTS` has a part of the names of.
    private static let names = Transcript.names.filter {
        Repository.text("LIVEMIG_TRANSCRIPTS").map($0.contains) ?? true
    }

    // Breaks when a message, an exit code, or what becomes of a guest is another than in the file.
    @Test(.timeLimit(.minutes(5)), arguments: names)
    func plays(_ name: String) throws {
        let transcript = try Transcript(named: name)
        #if !CrashPoints
        // Programs of this build do not wait at half-steps.
        if transcript.steps.contains(where: { $0.words.first?.text == "point" }) { return }
        #endif
        let stage = try TranscriptStage()
        var rewriting = TranscriptRewriting(transcript)
        defer {
            if Repository.isSet("LIVEMIG_REGENERATE_TRANSCRIPTS") { try? rewriting.write() }
        }
        for step in transcript.steps {
            do {
                switch step.kind {
                case .verb: try stage.perform(step, transcript.location(step.line))
                case .command:
                    guard let result = try stage.run(step) else { continue }
                    try compare(result, step, transcript, stage, &rewriting)
                }
            } catch {
                Issue.record(error, sourceLocation: transcript.location(step.line))
                return
            }
        }
        try stage.expectNothingLeft(transcript.location(transcript.lines.count - 1))
    }

    private func compare(
        _ result: CommandResult, _ step: Transcript.Step, _ transcript: Transcript,
        _ stage: TranscriptStage, _ rewriting: inout TranscriptRewriting
    ) throws {
        func patterns(_ lines: [String]) throws -> [TranscriptPattern] {
            try lines.map { try TranscriptPattern($0, filled: stage.fill($0)) }
        }
        let (errors, output) = (try patterns(step.errors), try patterns(step.block))
        let onError = TranscriptComparison(errors, result.printed(result.errors))
        let onOutput = TranscriptComparison(output, result.printed(result.output))
        if onError.holds, onOutput.holds, result.status == step.exit { return }
        if Repository.isSet("LIVEMIG_REGENERATE_TRANSCRIPTS") {
            try rewriting.replace(step, result, errors, output, stage)
            return
        }
        let status =
            result.status == step.exit
            ? [] : [" - exit \(step.exit)", " + exit \(result.status)"]
        let lines =
            ["   \(transcript.lines[step.line])"] + onError.difference("! ")
            + onOutput.difference("  ") + status
        Issue.record(
            "\n\(lines.joined(separator: "\n"))",
            sourceLocation: transcript.location(step.line))
    }
}

extension Transcript {
    /// A line, as where an issue is.
    func location(_ line: Int) -> SourceLocation {
        SourceLocation(
            fileID: "EndToEndTests/\(name)", filePath: Repository.root + "/" + path,
            line: line + 1, column: 1)
    }
}

extension CommandResult {
    /// The lines of an output but for empty ones, without trailing spaces.
    func printed(_ text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).map { line in
            String(line.reversed().drop { $0 == " " }.reversed())
        }.filter { !$0.isEmpty }
    }
}

/// A transcript that is written anew: what did not hold is replaced, all else stays as it was.
struct TranscriptRewriting {
    private let transcript: Transcript
    private var replacements: [Int: [String]] = [:]

    init(_ transcript: Transcript) { self.transcript = transcript }

    /// Notes what a command has printed; lines that were expected keep their form.
    mutating func replace(
        _ step: Transcript.Step, _ result: CommandResult, _ errors: [TranscriptPattern],
        _ output: [TranscriptPattern], _ stage: TranscriptStage
    ) throws {
        func written(_ text: String, _ known: [TranscriptPattern]) throws -> [String] {
            try result.printed(text).map { line in
                try known.first { $0.matches(line) }?.text ?? stage.generalise(line)
            }
        }
        let status = result.status == 0 ? [] : ["exit \(result.status)"]
        replacements[step.line] =
            try written(result.errors, errors).map { "! \($0)" }
            + written(result.output, output).map { "  \($0)" } + status
    }

    /// Writes the file.
    func write() throws {
        guard !replacements.isEmpty else { return }
        var lines: [String] = []
        var number = 0
        while number < transcript.lines.count {
            lines.append(transcript.lines[number])
            let step = transcript.steps.first { $0.line == number }
            number += 1
            guard let step, let replacement = replacements[step.line] else { continue }
            lines += replacement
            number = step.lines.upperBound
        }
        try Repository.write(lines.joined(separator: "\n"), to: transcript.path)
    }
}
