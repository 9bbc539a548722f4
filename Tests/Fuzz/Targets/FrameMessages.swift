import FrameTransport
import Guardian
import MigrationModel
import WireProtocol

/// The message of every frame type.
enum FrameMessages {
    /// Reads the message that a frame carries and writes it again; `nil` for pages, which are no
    /// message.
    static func rewrite(_ frame: Frame) throws(LivemigError) -> [UInt8]? {
        switch frame.type {
        case .batch: nil
        case .failure: try again(FailureMessage.self, frame)
        case .done: try again(DoneMessage.self, frame)
        case .describeHost: try again(DescribeHost.self, frame)
        case .listMachines: try again(ListMachines.self, frame)
        case .defineMachine: try again(DefineMachine.self, frame)
        case .startMachine: try again(StartMachine.self, frame)
        case .stopMachine: try again(StopMachine.self, frame)
        case .removeMachine: try again(RemoveMachine.self, frame)
        case .showMachine: try again(ShowMachine.self, frame)
        case .attachConsole: try again(AttachConsole.self, frame)
        case .consoleInput: try again(ConsoleInput.self, frame)
        case .createKey: try again(CreateKey.self, frame)
        case .authorizePeer: try again(AuthorizePeer.self, frame)
        case .withdrawPeer: try again(WithdrawPeer.self, frame)
        case .tryPeer: try again(TryPeer.self, frame)
        case .settlePeers: try again(SettlePeers.self, frame)
        case .peersWithdrawn: try again(PeersWithdrawn.self, frame)
        case .gateOpened: try again(GateOpened.self, frame)
        case .showRecord: try again(ShowRecord.self, frame)
        case .recoverMachine: try again(RecoverMachine.self, frame)
        case .cancelMachine: try again(CancelMachine.self, frame)
        case .showPolicy: try again(ShowPolicy.self, frame)
        case .changePolicy: try again(ChangePolicy.self, frame)
        case .changeGuestPolicy: try again(ChangeGuestPolicy.self, frame)
        case .hostPolicy: try again(HostPolicyMessage.self, frame)
        case .record: try again(RecordMessage.self, frame)
        case .imageHashed: try again(ImageHashed.self, frame)
        case .hashesWanted: try again(HashesWanted.self, frame)
        case .pageHashes: try again(PageHashes.self, frame)
        case .imageCompared: try again(ImageCompared.self, frame)
        case .prepareIncoming: try again(PrepareIncoming.self, frame)
        case .startOutgoing: try again(StartOutgoing.self, frame)
        case .cancel: try again(Cancel.self, frame)
        case .inspectOutgoing: try again(InspectOutgoing.self, frame)
        case .inspectIncoming: try again(InspectIncoming.self, frame)
        case .runDrainHook: try again(RunDrainHook.self, frame)
        case .note: try again(NoteMessage.self, frame)
        case .examineHost: try again(ExamineHost.self, frame)
        case .examination: try again(Examination.self, frame)
        case .inspection: try again(Inspection.self, frame)
        case .measureGuest: try again(MeasureGuest.self, frame)
        case .probePath: try again(ProbePath.self, frame)
        case .guestMeasured: try again(GuestMeasured.self, frame)
        case .laneProbe: try again(LaneProbe.self, frame)
        case .laneProbed: try again(LaneProbed.self, frame)
        case .saveMachine: try again(SaveMachine.self, frame)
        case .discardSaved: try again(DiscardSaved.self, frame)
        case .findClaims: try again(FindClaims.self, frame)
        case .claims: try again(ClaimsMessage.self, frame)
        case .storing: try again(Storing.self, frame)
        case .hostFacts: try again(HostFactsMessage.self, frame)
        case .machineList: try again(MachineListMessage.self, frame)
        case .machine: try again(MachineMessage.self, frame)
        case .consoleOutput: try again(ConsoleOutput.self, frame)
        case .consoleOpened: try again(ConsoleOpened.self, frame)
        case .consoleEnded: try again(ConsoleEnded.self, frame)
        case .publicKey: try again(PublicKeyMessage.self, frame)
        case .prepared: try again(Prepared.self, frame)
        case .phase: try again(PhaseMessage.self, frame)
        case .round: try again(RoundMessage.self, frame)
        case .progress: try again(ProgressMessage.self, frame)
        case .moved: try again(Moved.self, frame)
        case .laneHello: try again(LaneHello.self, frame)
        case .roundEnd: try again(RoundEnd.self, frame)
        case .clockProbe: try again(ClockProbe.self, frame)
        case .deviceState: try again(DeviceState.self, frame)
        case .final: try again(Final.self, frame)
        case .token: try again(Token.self, frame)
        case .abort: try again(Abort.self, frame)
        case .laneAccepted: try again(LaneAccepted.self, frame)
        case .roundPlaced: try again(RoundPlaced.self, frame)
        case .clockReply: try again(ClockReply.self, frame)
        case .machineReady: try again(MachineReady.self, frame)
        case .portsAwaited: try again(PortsAwaited.self, frame)
        case .guestReached: try again(GuestReached.self, frame)
        case .ready: try again(Ready.self, frame)
        case .ownerAcknowledged: try again(OwnerAcknowledged.self, frame)
        case .aborted: try again(Aborted.self, frame)
        case .guardianDescribe,
            .guardianBegin,
            .guardianStop,
            .guardianSave,
            .guardianRelease,
            .guardianFinish,
            .guardianReclaim,
            .guardianAbort,
            .guardianLoad,
            .guardianReady,
            .guardianOwn,
            .guardianDiscard,
            .guardianPowerOff,
            .guardianSettle,
            .guardianCancel,
            .guardianFreeze,
            .guardianSeize,
            .guardianInspect,
            .guardianSuspend,
            .guardianKeep,
            .guardianRestore, .guardianAttachConsole, .guardianHello, .guardianOverrule,
            .guardianState,
            .guardianResumed,
            .guardianInspection,
            .guardianSuspended,
            .guardianConsole,
            .guardianWelcome:
            try guardian(frame)
        }
    }

    private static func guardian(_ frame: Frame) throws(LivemigError) -> [UInt8]? {
        switch frame.type {
        case .guardianDescribe: try again(GuardianDescribe.self, frame)
        case .guardianBegin: try again(GuardianBegin.self, frame)
        case .guardianStop: try again(GuardianStop.self, frame)
        case .guardianSave: try again(GuardianSave.self, frame)
        case .guardianRelease: try again(GuardianRelease.self, frame)
        case .guardianFinish: try again(GuardianFinish.self, frame)
        case .guardianReclaim: try again(GuardianReclaim.self, frame)
        case .guardianAbort: try again(GuardianAbort.self, frame)
        case .guardianLoad: try again(GuardianLoad.self, frame)
        case .guardianReady: try again(GuardianReady.self, frame)
        case .guardianOwn: try again(GuardianOwn.self, frame)
        case .guardianDiscard: try again(GuardianDiscard.self, frame)
        case .guardianPowerOff: try again(GuardianPowerOff.self, frame)
        case .guardianSettle: try again(GuardianSettle.self, frame)
        case .guardianCancel: try again(GuardianCancel.self, frame)
        case .guardianFreeze: try again(GuardianFreeze.self, frame)
        case .guardianSeize: try again(GuardianSeize.self, frame)
        case .guardianInspect: try again(GuardianInspect.self, frame)
        case .guardianAttachConsole: try again(GuardianAttachConsole.self, frame)
        case .guardianConsole: try again(GuardianConsole.self, frame)
        case .guardianHello: try again(GuardianHello.self, frame)
        case .guardianWelcome: try again(GuardianWelcome.self, frame)
        case .guardianInspection: try again(GuardianInspection.self, frame)
        case .guardianSuspend: try again(GuardianSuspend.self, frame)
        case .guardianKeep: try again(GuardianKeep.self, frame)
        case .guardianRestore: try again(GuardianRestore.self, frame)
        case .guardianOverrule: try again(GuardianOverrule.self, frame)
        case .guardianSuspended: try again(GuardianSuspended.self, frame)
        case .guardianState: try again(GuardianState.self, frame)
        case .guardianResumed: try again(GuardianResumed.self, frame)
        default: nil
        }
    }

    private static func again<Message: WireMessage>(
        _ type: Message.Type, _ frame: Frame
    ) throws(LivemigError) -> [UInt8]? {
        try frame.decode(type).payload
    }
}
