import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig doctor`.
struct DoctorCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Examine hosts, and say what to do about what is wrong.",
        usage: "livemig doctor [<host> ...] [<options>]",
        discussion: """
            Each host looks at itself: kernel, write tracking, QEMU, devices, libraries,
            records, memory, settings and hooks; nothing is changed. Ends with 3 when
            something keeps guests from being moved.

            Example:
              livemig doctor
              livemig doctor alpha --output json
            """)

    @Argument(
        help: ArgumentHelp("The hosts; all of the inventory when none is named.", valueName: "host")
    )
    var names: [String] = []

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        let answers = await control.examinations(of: try control.directory.hosts(names))
        context.show(
            text: DoctorText.lines(answers),
            json: ExaminationsDocument(hosts: answers.map(ExaminationDocument.init)))
        return .worst(
            of: answers.map { answer in
                switch answer.result {
                case .success(let items): items.count(of: .error) > 0 ? .refused : .success
                case .failure(let error): error.code.exitCode
                }
            })
    }
}

/// Examinations as text: a line for each host, and below it what was found.
enum DoctorText {
    static func lines(_ answers: [HostAnswer<[Diagnosis]>]) -> [String] {
        answers.flatMap { answer -> [String] in
            let name = answer.host.name.text
            switch answer.result {
            case .failure(let error):
                return [
                    "\(name): \(error.code.wordsOfHost)",
                    "  \(error.code.rawValue)  \(error.explanation)",
                ]
            case .success(let items):
                return ["\(name): \(summary(items))"] + items.lines.map { "  " + $0 }
            }
        }
    }

    private static func summary(_ items: [Diagnosis]) -> String {
        let errors = count(items.count(of: .error), "error")
        let warnings = count(items.count(of: .warning), "warning")
        let found = [errors, warnings].compactMap { $0 }.joined(separator: ", ")
        return found.isEmpty ? "all is well" : found
    }

    private static func count(_ number: Int, _ what: String) -> String? {
        number == 0 ? nil : "\(number) \(what)\(number == 1 ? "" : "s")"
    }
}

/// What `doctor` prints.
struct ExaminationsDocument: Encodable {
    let hosts: [ExaminationDocument]
}

/// What a host has found of itself, or why it cannot be asked.
struct ExaminationDocument: Encodable {
    let name: String
    let reachable: Bool
    var error: ErrorEvent?
    var findings: [Item] = []

    /// One thing that was looked at.
    struct Item: Encodable {
        let id: String
        let severity: String
        let message: String
        let fix: String?

        init(_ item: Diagnosis) {
            id = item.id
            severity = item.state.word
            message = item.what
            fix = item.fix.isEmpty ? nil : item.fix
        }
    }

    init(_ answer: HostAnswer<[Diagnosis]>) {
        name = answer.host.name.text
        switch answer.result {
        case .failure(let error):
            reachable = false
            self.error = ErrorEvent(error)
        case .success(let items):
            reachable = true
            findings = items.map(Item.init)
        }
    }
}
