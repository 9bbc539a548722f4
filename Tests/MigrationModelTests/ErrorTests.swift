import MigrationModel
import Testing

@Suite("Errors and exit codes")
struct ErrorTests {
    /// The contract's exit codes, with every code of the table of bad inputs that exists.
    static let table: [(ExitCode, [ErrorCode])] = [
        (.usage, [.usage, .hostName, .vmName, .ambiguousVM, .port, .size, .range]),
        (
            .refused,
            [
                .sameHost, .noVM, .notRunning, .paused, .vmState, .noAgent, .version, .hello, .xml,
                .xmlDTD, .xmlLimit, .fileType, .cpu, .device, .disk, .cache, .machine, .duplicateVM,
                .staleRecord, .unasked,
                .network, .qemuCapability, .journal, .guestDown, .file, .xmlSchema,
                .xmlUnsupported, .noHost, .alreadyThere, .exists, .kernel, .qemu,
                .preload, .root, .permission, .disabled, .cordoned, .notEmpty, .peer, .history,
                .saved, .savedFile, .noMove, .hook, .forbidden,
            ]
        ),
        (
            .trust,
            [
                .hostKeyUnknown, .hostKeyChanged, .authentication, .keyMode, .inventoryMode,
                .algorithm, .gate, .become, .key, .sshConfiguration,
            ]
        ),
        (
            .failedOnSource,
            [
                .connect, .connectDropped, .qmpProtocol, .wire, .wireRange, .migrationID, .stall,
                .blackout, .destinationQEMU, .lock, .fsync, .resource, .disconnected, .qmp,
                .deviceState, .timeout, .poison, .io,
            ]
        ),
        (.committed, [.tooLate, .cleanup]),
        (.inTransfer, [.inTransfer]),
        (.cancelled, [.cancelled]),
        (.verification, [.verify]),
        (.internal, [.journalCorrupt, .internal]),
        (.busy, [.busy]),
        (.notConverged, [.converge]),
        (.resources, [.memory, .noTarget, .diskSpace]),
    ]

    // Broken by: a code moved to another exit code, which scripts would act on wrongly.
    @Test("exit codes of errors", arguments: table)
    func exitCode(exit: ExitCode, codes: [ErrorCode]) {
        for code in codes { #expect(code.exitCode == exit, "\(code.rawValue)") }
    }

    // Broken by: a new error code that nobody gave an exit code on purpose.
    @Test func `every code is in the table once`() {
        let listed = Self.table.flatMap(\.1)
        #expect(Set(listed) == Set(ErrorCode.allCases))
        #expect(listed.count == ErrorCode.allCases.count)
    }

    // Broken by: a changed number; they are published.
    @Test func `the numbers of exit codes are fixed`() {
        #expect(ExitCode.allCases.map(\.rawValue) == [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
        #expect(!Self.table.contains { $0.0 == .success })
    }

    // Broken by: a code that a shell script cannot match as one word.
    @Test("codes are plain words", arguments: ErrorCode.allCases)
    func plain(code: ErrorCode) {
        #expect(code.rawValue.hasPrefix("E-"))
        #expect(code.rawValue.dropFirst(2).allSatisfy { ("A"..."Z").contains($0) || $0 == "-" })
        #expect(ErrorCode(rawValue: code.rawValue) == code)
    }

    // Broken by: empty parts that leave `; ;` behind, or parts in another order.
    @Test(
        "the line that is printed",
        arguments: [
            ("what", "", "", "error[E-IO]: what"),
            ("what", "alpha", "", "error[E-IO]: what; alpha"),
            ("what", "", "do", "error[E-IO]: what; do"),
            ("what", "alpha", "do", "error[E-IO]: what; alpha; do"),
        ])
    func line(what: String, place: String, fix: String, expected: String) {
        #expect(LivemigError(.io, what, at: place, fix: fix).description == expected)
    }

    // Broken by: an outer layer that overwrites the place where it really happened.
    @Test func `a place is filled in once`() {
        let error = LivemigError(.io, "what")
        #expect(error.at("alpha").at("beta").place == "alpha")
    }

    // Broken by: a last line that does not say where the guest is.
    @Test(
        "the line that says where the guest is",
        arguments: [
            (.running, "VM web1 is RUNNING on alpha (epoch 7)"),
            (.paused, "VM web1 is PAUSED on alpha (epoch 7)"),
            (.stopped, "VM web1 is STOPPED on alpha (epoch 7)"),
            (.inTransfer, "VM web1 is IN TRANSFER: run livemig recover web1"),
            (.unknown, "VM web1: nobody could be asked where it runs; run livemig status web1"),
        ] as [(GuestLocation.State, String)])
    func location(state: GuestLocation.State, expected: String) {
        let guest = GuestLocation(vm: "web1", state: state, host: "alpha", epoch: Epoch(7))
        #expect(guest.description == expected)
        #expect(LivemigError(.io, "what").with(guest: guest).guest == guest)
    }
}
